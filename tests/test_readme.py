"""The README tells a newcomer where everything is, so it has to be right."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text()


def test_tree_names_every_source_file() -> None:
    sources = (REPOSITORY / "platform" / "utp").rglob("*.py")
    absent = sorted(str(path) for path in sources if path.name != "__init__.py" and path.name not in README)
    assert absent == []


def test_tree_names_no_file_that_is_gone() -> None:
    tree = README.split("## The tree")[1].split("## Where to add")[0]
    there = {path.name for path in REPOSITORY.rglob("*.py") if ".venv" not in path.parts}
    assert sorted(set(re.findall(r"\b\w+\.py\b", tree)) - there) == []


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 5
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_every_test_on_a_gpu_is_listed_as_unverified_without_one() -> None:
    there = re.findall(r"^def (test_\w+)", (REPOSITORY / "tests" / "core" / "test_on_gpu.py").read_text(), re.M)
    assert there
    assert sorted(re.findall(r"`(test_\w+)`", README)) == sorted(there)
