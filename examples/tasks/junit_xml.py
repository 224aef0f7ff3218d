"""Save all JUnit XML reports of a build, and print the tests that failed.

python junit_xml.py URL FOLDER
"""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from buildkite_orm import Buildkite, BuildRef

url, folder = sys.argv[1:]
with Buildkite() as bk:
    print(bk.from_url(url, BuildRef).artifacts(path="**/junit*.xml").save_all(folder))
for report in sorted(Path(folder).rglob("junit*.xml")):
    for test in ET.parse(report).iter("testcase"):  # noqa: S314 - reports of our own builds
        if test.find("failure") is not None:
            print(f"failed: {test.get('classname')} {test.get('name')}")
