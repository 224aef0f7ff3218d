"""Load the latest builds into a data frame, and print the failure rate of each branch."""

import pandas as pd

from buildkite_orm import Buildkite

with Buildkite() as bk:
    builds = bk.organization().builds(state=["passed", "failed"]).limit(500)
    frame = pd.DataFrame(builds.rows())
print(frame["state"].eq("failed").groupby(frame["branch"]).mean().round(2))
