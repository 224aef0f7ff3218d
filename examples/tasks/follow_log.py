"""Print the log of the first running job of a pipeline while it is written.

python follow_log.py PIPELINE
"""

import sys

from buildkite_orm import Buildkite, ScriptJob

with Buildkite() as bk:
    build = bk.organization().pipeline(sys.argv[1]).builds(state="running", with_jobs=True).first()
    job = build.jobs(kind=ScriptJob, state="running").first() if build else None
    if job is None:
        sys.exit("no job is running")
    for line in job.log().follow():
        print(line.text)
