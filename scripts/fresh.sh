#!/bin/sh
# The whole check on a copy of what is committed, as a newcomer would get it. Leaves the copy's folder name on failure.
set -eu
cd "$(dirname "$0")/.."
copy="$(mktemp -d)/agente-ceo proof"
git clone -q . "$copy"
echo "fresh: $(git rev-parse --short HEAD) in $copy"
(cd "$copy" && bash .ci/run) || { echo "fresh: failed; the copy is kept in $copy" >&2; exit 1; }
rm -rf "$(dirname "$copy")"
echo "fresh: a fresh copy passes"
