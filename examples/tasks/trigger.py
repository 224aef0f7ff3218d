"""Create a build with an environment, wait for it, and exit with 0 if it passed; with 1 also if it is blocked.

python trigger.py PIPELINE NAME=VALUE …
"""

import sys

from buildkite_orm import Buildkite

pipeline, *pairs = sys.argv[1:]
with Buildkite() as bk:
    build = bk.organization().pipeline(pipeline).builds().create(
        commit="HEAD", branch="main", message="From a script", env=dict(pair.split("=", 1) for pair in pairs)
    )  # fmt: skip
    print(build.web_url)
    build.wait(timeout=3600)
    print(build)
sys.exit(0 if build.has_passed else 1)
