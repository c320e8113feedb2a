"""Checks of the compiled code: whether it is there, and how to get it."""

from __future__ import annotations

from utp.core.native.build import LIBRARIES
from utp.core.native.library import problem_of
from utp.entrypoints.checks.finding import Finding

SERVES = {
    "resize": "the decoded cache serves 2 to 3 times as many pictures a second with it",
    "jpeg": "JPEGs are decoded in about two thirds of the time with it",
}
"""What each library is good for."""

HOW_TO_BUILD = (
    "install a C compiler and libjpeg-turbo's headers (Debian, Ubuntu: apt install gcc libc6-dev libjpeg-dev), "
    "then in a checkout: .venv/bin/python platform/utp/core/native/build.py"
)


def check_native() -> Finding:
    """Say which compiled libraries are used. Without them all works, to the same pixels, and takes longer."""
    problems = {name: problem for name in LIBRARIES if (problem := problem_of(name))}
    used = ", ".join(f"lib{name}" for name in LIBRARIES if name not in problems)
    lines = [f"{used} in use"] if used else []
    lines += [f"{problem}: {SERVES[name]}" for name, problem in problems.items()]
    return Finding("ok", "\n".join(lines), HOW_TO_BUILD if problems else "")
