"""Write mean and 95th percentile of duration and queue time of each step as CSV."""

import csv
import sys
from collections import defaultdict
from statistics import mean, quantiles

from buildkite_orm import Buildkite, ScriptJob

durations: defaultdict[str, list[float]] = defaultdict(list)
queue_times: defaultdict[str, list[float]] = defaultdict(list)
with Buildkite() as bk:
    builds = bk.organization().pipeline("web").builds(state="passed", with_jobs=True).limit(100)
    for build in builds:
        for job in build.jobs(kind=ScriptJob):
            step = job.step_key or job.name or job.command or "?"
            if job.duration is not None and job.queue_time is not None:
                durations[step].append(job.duration.total_seconds())
                queue_times[step].append(job.queue_time.total_seconds())


def p95(seconds: list[float]) -> float:
    """Return the 95th percentile."""
    return quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]


table = csv.writer(sys.stdout, lineterminator="\n")
table.writerow(["step", "jobs", "mean duration", "p95 duration", "mean queue time", "p95 queue time"])
for step, ran in durations.items():
    waited = queue_times[step]
    table.writerow([step, len(ran), *(f"{value:.1f}" for value in (mean(ran), p95(ran), mean(waited), p95(waited)))])
