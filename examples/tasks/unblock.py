"""Unblock the newest blocked build of a pipeline, with fields.

python unblock.py PIPELINE KEY=VALUE …
"""

import sys

from buildkite_orm import Buildkite

pipeline, *pairs = sys.argv[1:]
with Buildkite() as bk:
    build = bk.organization().pipeline(pipeline).builds(state="blocked", with_jobs=True).first()
    if build is None:
        sys.exit("no build is blocked")
    for step in build.unblock_all(fields=dict(pair.split("=", 1) for pair in pairs)):
        print(f"{build}: unblocked {step.label}")
