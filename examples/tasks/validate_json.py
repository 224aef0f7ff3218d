"""Check that a file contains a build, as the API sends it, and print it.

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
