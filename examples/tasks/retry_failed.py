"""Retry the failed jobs of a build and wait for the new result.

python retry_failed.py URL
"""

import sys

from buildkite_orm import Buildkite, BuildRef

with Buildkite() as bk:
    build = bk.from_url(sys.argv[1], BuildRef)
    print(build.retry_failed_jobs().retried_jobs_count, "jobs are retried")
    print(build.wait(timeout=3600))
