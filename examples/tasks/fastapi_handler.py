"""Serve the state of the newest build of a pipeline.

fastapi run fastapi_handler.py
"""

from fastapi import FastAPI, HTTPException

from buildkite_orm import Build, Buildkite, NotFoundError

bk = Buildkite()  # one client for all requests
app = FastAPI()


@app.get("/pipelines/{slug}/newest")
def newest(slug: str, branch: str = "main") -> Build | None:
    """Return the newest build; a `def` handler runs in a thread, so it may wait."""
    try:
        return bk.organization().pipeline(slug).builds(branch=branch).first()
    except NotFoundError as error:
        raise HTTPException(404, f"no pipeline {slug}") from error
