"""Every static check in one go: style, format, types, import rules, secrets, licences. `--only name,name` picks some.

All run even when one fails, so that one round of mending is enough. Ends with 1 when anything failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CODE = ("agents", "tools", "knowledge", "prompts", "runtime", "tests", "scripts", "benchmarks")


def command(*parts: str) -> Callable[[], tuple[int, str]]:
    """A check that is another program."""

    def run() -> tuple[int, str]:
        # Pyright brings its own Node by wheel: nothing is fetched when it runs.
        env = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
        done = subprocess.run([sys.executable, *parts], cwd=ROOT, capture_output=True, text=True, env=env, check=False)
        return done.returncode, (done.stdout + done.stderr).strip()

    return run


def own(module: str) -> Callable[[], tuple[int, str]]:
    """A check of our own beside this file."""
    return command(str(Path(__file__).with_name(module)))


CHECKS: dict[str, Callable[[], tuple[int, str]]] = {
    "style": command("-m", "ruff", "check", "-q", *CODE),
    "format": command("-m", "ruff", "format", "--check", "-q", *CODE),
    "types": command("-m", "pyright"),
    "imports": command("-c", "import sys; from importlinter.cli import lint_imports_command as m; sys.exit(m())"),
    "secrets": own("secrets_scan.py"),
    "licences": own("licences.py"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(CHECKS), help=f"of {', '.join(CHECKS)}")
    names = parser.parse_args().only.split(",")
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        parser.error(f"no check called {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    failed = False
    for name in names:
        start = time.monotonic()
        print(f"lint: {name:9}", end="", flush=True)
        code, words = CHECKS[name]()
        print(f"{'ok' if code == 0 else 'FAILED'} ({time.monotonic() - start:.1f} s)", flush=True)
        if code:
            failed = True
            print(words)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
