"""The README tells a newcomer where everything is, so it has to be right."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text()
NOT_NAMED = {"versions", "presets", "utp"}


def test_tree_names_every_package() -> None:
    tree = README.split("## The tree")[1].split("## Where to add")[0]
    packages = {path.parent.name for path in (REPOSITORY / "platform" / "utp").rglob("__init__.py")} - NOT_NAMED
    assert sorted(name for name in packages if f"{name}/" not in tree) == []


def test_every_file_begins_with_what_it_is_for() -> None:
    """The tree names folders; what a file holds is said in one place, its own first line."""
    sources = [path for path in (REPOSITORY / "platform" / "utp").rglob("*.py") if path.name != "__init__.py"]
    silent = [str(path) for path in sources if not path.read_text().startswith(('"""', 'r"""'))]
    assert silent == []


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
