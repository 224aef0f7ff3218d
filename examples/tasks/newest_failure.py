"""Print the failed jobs of the newest failed build on main."""

from buildkite_orm import Buildkite

with Buildkite() as bk:
    builds = bk.organization().pipeline("web").builds(branch="main", state="failed", with_jobs=True)
    build = builds.first()
    print(build or "no build has failed")
    for job in build.failed_jobs() if build else ():
        print(f"{job.name}: {job.failure}, exit status {job.exit_status}: {job.web_url}")
