"""`python -m runtime.backtest FILE [--json] [--strategy S] [--margin M] [--currency C]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from runtime.backtest.output import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m runtime.backtest", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--strategy", default="bayes")
    parser.add_argument("--margin", type=float, default=0.4)
    parser.add_argument("--currency")
    given = parser.parse_args()
    return run(given.file, as_json=given.as_json, strategy=given.strategy, margin=given.margin, currency=given.currency)


if __name__ == "__main__":
    sys.exit(main())
