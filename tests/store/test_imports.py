"""The store is light: what runs beside the database loads no library that trains, and no cluster."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "ray", "fastapi", "transformers", "alembic")
PROGRAM = f"""
import sys
import utp.store.database, utp.store.recorder
import utp.store.repositories.curves, utp.store.repositories.runs, utp.store.repositories.run_queue
print(sorted(set({HEAVY!r}) & set(sys.modules)))
"""


@pytest.mark.process
def test_writing_and_reading_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
