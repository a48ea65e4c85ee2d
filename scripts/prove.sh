#!/bin/sh
# The whole check on a copy of what is committed, as a newcomer would get it. Leaves the copy's folder name on failure.
set -eu
cd "$(dirname "$0")/.."
copy="$(mktemp -d)/agente-ceo proof"
git clone -q . "$copy"
echo "prove: $(git rev-parse --short HEAD) in $copy"
(cd "$copy" && bash .ci/run) || { echo "prove: failed; the copy is kept in $copy" >&2; exit 1; }
rm -rf "$(dirname "$copy")"
echo "prove: a fresh copy passes"
