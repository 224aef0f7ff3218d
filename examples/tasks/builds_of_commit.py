"""Print the builds of a commit, in all pipelines.

python builds_of_commit.py SHA
"""

import sys

from buildkite_orm import Buildkite

with Buildkite() as bk:
    for build in bk.organization().builds(commit=sys.argv[1]):
        print(build, build.web_url)
