"""The API is light: its processes load no library that trains, and no cluster."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import utp.api.app, utp.entrypoints.openapi
print(sorted({"torch", "ray", "transformers", "numpy"} & set(sys.modules)))
"""


@pytest.mark.process
def test_importing_the_api_loads_nothing_that_trains_and_no_cluster() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
