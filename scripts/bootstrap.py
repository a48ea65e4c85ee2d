"""Makes `.venv` and fills it from the lock file. Standard library only: it runs before anything is installed.

`install`  virtual environment, uv (pip when uv cannot be had), dependencies by hash, the project itself
`lock`     writes requirements.lock anew from pyproject.toml
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if sys.platform == "win32" else "bin")
PYTHON = BIN / "python"
LOCK = ROOT / "requirements.lock"
UV = "uv>=0.9,<1"
BUILD = "setuptools>=77"
OLDEST = "3.11"


class SetupError(Exception):
    """What is missing on this machine, with the remedy."""


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def run(*command: str | Path, env: dict[str, str] | None = None, quiet: bool = True) -> subprocess.CompletedProcess[str]:
    """The command's result; its output is kept for an error, not shown."""
    out = subprocess.PIPE if quiet else None
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, text=True, stdout=out, stderr=subprocess.STDOUT if quiet else None, env=env,
        check=False,
    )  # fmt: skip


def tail(result: subprocess.CompletedProcess[str]) -> str:
    return "\n".join((result.stdout or "").strip().splitlines()[-15:])


def as_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def make_venv() -> None:
    """The virtual environment with pip in it. Raises SetupError."""
    if PYTHON.exists() and run(PYTHON, "-m", "pip", "--version").returncode == 0:
        return
    base = sys.executable
    if Path(sys.prefix).resolve() == VENV.resolve():
        base = str(getattr(sys, "_base_executable", sys.executable))
    say(f"virtual environment in .venv ({base}, Python {sys.version.split()[0]})")
    if run(base, "-c", "import venv, ensurepip").returncode != 0:
        _mend_ensurepip(base)
    if run(base, "-c", "import venv, ensurepip").returncode == 0:
        made = run(base, "-m", "venv", "--clear", VENV)
        if made.returncode == 0:
            return
        raise SetupError(f"python -m venv failed:\n{tail(made)}")
    # Debian without python3-venv, but with pip: an empty environment, filled from outside.
    if run(base, "-m", "venv", "--clear", "--without-pip", VENV).returncode == 0:
        filled = run(base, "-m", "pip", "--python", PYTHON, "install", "pip")
        if filled.returncode == 0:
            return
    shutil.rmtree(VENV, ignore_errors=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise SetupError(
        f"this Python ({base}) cannot make virtual environments: the ensurepip module is missing.\n"
        f"Debian/Ubuntu: sudo apt install python{version}-venv. Or name another Python: make setup PYTHON=/path/to/python3.12"
    )


def _mend_ensurepip(base: str) -> None:
    """As root on Debian the missing package can be installed from the distribution's registry."""
    if not (as_root() and shutil.which("apt-get")):
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    say(f"ensurepip is missing; installing python{version}-venv with apt")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", env=quiet)
    if run("apt-get", "install", "-y", "--no-install-recommends", f"python{version}-venv", env=quiet).returncode != 0:
        run("apt-get", "install", "-y", "--no-install-recommends", "python3-venv", env=quiet)


def registry_for_uv() -> dict[str, str]:
    """uv does not read pip's configuration: the registry chosen there is told to it. What the user set for uv wins."""
    env = dict(os.environ)
    listed = run(PYTHON, "-m", "pip", "config", "list").stdout or ""
    values: dict[str, str] = {}
    for line in listed.splitlines():
        name, mark, value = line.partition("=")
        if mark:
            # PIP_… variables are listed as `:env:.name`, and pip lets them win over files.
            key = name.rpartition(".")[2]
            if key not in values or name.startswith(":env:"):
                values[key] = value.strip().strip("'\"").replace("\\n", " ")
    for key, variable in (("index-url", "UV_DEFAULT_INDEX"), ("extra-index-url", "UV_INDEX"), ("find-links", "UV_FIND_LINKS")):
        if key in values:
            env.setdefault(variable, values[key])
    if "cert" in values:
        env.setdefault("SSL_CERT_FILE", values["cert"])
    # As pip does: the best version among all indexes. Hashes say which file it must be, so none can be slipped in.
    env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    env.setdefault("UV_LINK_MODE", "copy")
    env["VIRTUAL_ENV"] = str(VENV)
    return env


def install() -> None:
    """Everything into `.venv`. Raises SetupError."""
    start = time.monotonic()
    make_venv()
    uv = BIN / "uv"
    if not uv.exists():
        say("uv, the installer")
        got = run(PYTHON, "-m", "pip", "install", "-q", UV)
        if got.returncode != 0:
            say("uv cannot be had here; pip does the work (slower)")
    with LOCK.open(encoding="utf-8") as lines:
        count = sum(1 for line in lines if "==" in line and not line.startswith((" ", "#")))
    say(f"{count} locked packages (the first time this takes one to five minutes)")
    done = False
    if uv.exists():
        env = registry_for_uv()
        result = run(uv, "pip", "install", "-q", "--python", PYTHON, "--require-hashes", "-r", LOCK, env=env)
        done = result.returncode == 0
        if not done:
            say("uv could not install them; trying with pip:\n" + tail(result))
    if not done:
        result = run(PYTHON, "-m", "pip", "install", "-q", "--require-hashes", "-r", LOCK)
        if result.returncode != 0:
            raise SetupError(f"the dependencies could not be installed; is the package registry reachable?\n{tail(result)}")
    # The project itself: linked, not copied. Its build tool comes from the registry and stays in the environment.
    for step in (["install", "-q", BUILD], ["install", "-q", "--no-deps", "--no-build-isolation", "--editable", "."]):
        result = run(PYTHON, "-m", "pip", *step)
        if result.returncode != 0:
            raise SetupError(f"pip {' '.join(step)} failed:\n{tail(result)}")
    say(f"ready in {time.monotonic() - start:.0f} s")


def lock() -> None:
    """Resolves pyproject.toml for every platform from Python 3.11 on."""
    options = ["--universal", "--python-version", OLDEST, "--generate-hashes", "--no-header", "--no-annotate"]
    result = run(
        BIN / "uv", "pip", "compile", "-q", *options, "--no-emit-index-url", "--group", "dev", "pyproject.toml", "-o", LOCK,
        env=registry_for_uv(),
    )  # fmt: skip
    if result.returncode != 0:
        raise SetupError(f"uv pip compile failed:\n{tail(result)}")
    say("requirements.lock is written; commit it with pyproject.toml")


def main() -> int:
    try:
        {"install": install, "lock": lock}[sys.argv[1]]()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
