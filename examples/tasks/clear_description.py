"""Clear the description of a pipeline.

python clear_description.py PIPELINE
"""

import sys

from buildkite_orm import Buildkite

with Buildkite() as bk:
    pipeline = bk.organization().pipeline(sys.argv[1]).update(description=None)
    print(pipeline, pipeline.description)
