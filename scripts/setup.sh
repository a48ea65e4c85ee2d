#!/bin/sh
# Virtual environment and dependencies. Does nothing when they already fit this folder and its lock file.
set -eu
cd "$(dirname "$0")/.."
key="$(cat requirements.lock pyproject.toml scripts/bootstrap.py | cksum) $(pwd)"
if [ -x .venv/bin/python ] && [ "$(cat .venv/.ready 2>/dev/null || true)" = "$key" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

fits() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' >/dev/null 2>&1; }

python=""
if [ -x .venv/bin/python ] && fits .venv/bin/python; then
    python=.venv/bin/python # the environment stays; only what it holds is brought up to date
fi
for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3 python; do
    [ -z "$python" ] || break
    if [ -n "$candidate" ] && fits "$candidate"; then python="$candidate"; fi
done
if [ -z "$python" ]; then
    found="$(python3 --version 2>/dev/null || echo 'no python3')"
    echo "setup: Python 3.11 or newer is needed; this machine has $found." >&2
    echo "setup: install one (Debian/Ubuntu: apt install python3 python3-venv; others: https://www.python.org/downloads/)," >&2
    echo "setup: or name yours: make setup PYTHON=/path/to/python3.12" >&2
    exit 1
fi
"$python" scripts/bootstrap.py install
printf '%s' "$key" >.venv/.ready
