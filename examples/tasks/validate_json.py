"""Check that a file contains a build, as the API sends it; print it, and the fields and states that are not documented.

python validate_json.py FILE
"""

import sys
from pathlib import Path

from pydantic import ValidationError

from buildkite_orm import Build

try:
    build = Build.model_validate_json(Path(sys.argv[1]).read_bytes())
except ValidationError as error:
    sys.exit(str(error))
print(build, "with", build.jobs().count(), "jobs")
for item in (build, *build.jobs()):
    for name in item.model_extra or ():
        print(f"new field {name}: {item}")
    if item.state is not None and not item.state.is_known:
        print(f"new state {item.state}: {item}")
