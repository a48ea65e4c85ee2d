"""`python -m runtime.sandbox`: the twins as a process of their own."""

from __future__ import annotations

import argparse
import asyncio
from datetime import datetime

from runtime.sandbox.app import create_sandbox
from runtime.sandbox.serve import serve_process


def main() -> None:
    """Reads the options and serves."""
    parser = argparse.ArgumentParser(prog="python -m runtime.sandbox", description="Local twins of the outside services.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--start", help="simulated start, ISO 8601 with offset")
    parser.add_argument("--currency", default="BRL")
    parser.add_argument("--timezone", default="America/Sao_Paulo")
    parser.add_argument("--no-personas", action="store_true", help="no lead writes by itself")
    parser.add_argument("--announce", action="store_true", help="print the port as one JSON line")
    options = parser.parse_args()
    start = datetime.fromisoformat(options.start) if options.start else None
    app = create_sandbox(
        options.seed, start, personas=not options.no_personas, currency=options.currency, timezone=options.timezone
    )
    asyncio.run(serve_process(app, options.host, options.port, announce=options.announce))


if __name__ == "__main__":
    main()
