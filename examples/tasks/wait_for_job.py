"""Wait for one job of a build, not for the whole build.

python wait_for_job.py URL STEP_KEY
"""

import sys

from buildkite_orm import Buildkite, BuildRef

url, step_key = sys.argv[1:]
with Buildkite() as bk:
    job = bk.from_url(url, BuildRef).jobs(step_key=step_key).one()
    print(job.wait(timeout=3600))
