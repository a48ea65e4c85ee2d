"""Every installed package must have a licence that lets this product be given away or sold; exceptions carry their reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys

ALLOWED = re.compile(
    r"\b(MIT|MIT-0|BSD|BSD-[23]-Clause|0BSD|Apache|Apache-2\.0|ISC|PSF|PSF-2\.0|Python Software Foundation|MPL|MPL-2\.0|"
    r"Mozilla Public License|Unlicense|The Unlicense|Zlib|CC0|CC0-1\.0|HPND|BSL-1\.0|PostgreSQL|CNRI-Python|Public Domain)\b",
    re.I,
)
REASONS = {
    "agente-ceo": "this project",
    "psycopg": "LGPL 3: used as an unchanged library, which the LGPL allows",
    "psycopg-binary": "LGPL 3: see psycopg",
    "psycopg-pool": "LGPL 3: see psycopg",
    "pycountry": "LGPL 2.1: used as an unchanged library, which the LGPL allows",
    "capi_param_builder_python": "Meta's own SDK licence; comes with facebook_business, used by tests only",
    "facebook_business": "Meta's own SDK licence; used by tests only, not shipped",
    "tiktok-business-api-sdk-official": "TikTok's own SDK; used by tests only, not shipped",
}


def main() -> int:
    listed = subprocess.run(
        [sys.executable, "-m", "piplicenses", "--format=json", "--from=mixed", "--with-system"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    problems: list[str] = []
    for package in json.loads(listed.stdout):
        name, licence = str(package["Name"]), str(package["License"])
        if name in REASONS or ALLOWED.search(licence):
            continue
        problems.append(f"{name} {package['Version']}: licence {licence!r} is not on the list in scripts/licences.py")
    if problems:
        print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
