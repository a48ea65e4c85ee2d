"""Looks for secrets in what is, or is about to be, committed. Known harmless findings are listed in .secrets.baseline.

`--update` writes the baseline anew; read its diff before committing it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / ".secrets.baseline"
SKIPPED = (".venv", ".git", "requirements.lock", "static/vendor", "tests/cockpit/vendor", "data", "node_modules", "__pycache__")
BINARY = {".png", ".woff2", ".ico", ".ogg", ".jpg", ".db", ".pyc"}


def files() -> list[str]:
    """Paths to scan, relative to the root: what git knows or would add; without git, every file here."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    ) if (ROOT / ".git").exists() and _has_git() else None  # fmt: skip
    if listed is not None and listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:
        names = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()]
    return [
        name
        for name in sorted(set(names))
        if not any(part in f"/{name}" for part in (f"/{skipped}" for skipped in SKIPPED))
        and Path(name).suffix not in BINARY
        and name != BASELINE.name
        and (ROOT / name).is_file()
    ]


def _has_git() -> bool:
    from shutil import which

    return which("git") is not None


def scan(names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """file -> findings {type, hash, line} of detect-secrets, without its word-list guesses that fire on every test."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import transient_settings

    plugins = [
        {"name": name}
        for name in (
            "AWSKeyDetector", "ArtifactoryDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "CloudantDetector",
            "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector", "IbmCloudIamDetector", "JwtTokenDetector",
            "MailchimpDetector", "NpmDetector", "OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector",
            "SlackDetector", "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
        )
    ]  # fmt: skip
    # Meta tokens begin with EAA, Z-API and PipeRun ones are long hex: entropy finds what no named pattern knows.
    plugins += [{"name": "Base64HighEntropyString", "limit": 5.0}, {"name": "HexHighEntropyString", "limit": 3.6}]
    found: dict[str, list[dict[str, Any]]] = {}
    with transient_settings({"plugins_used": plugins}):
        for name in names:
            for secret in scan_file(str(ROOT / name)):
                entry = {"type": secret.type, "hash": secret.secret_hash, "line": secret.line_number}
                found.setdefault(name, []).append(entry)
    return found


def main() -> int:
    found = scan(files())
    if "--update" in sys.argv[1:]:
        kept = {name: sorted({f"{e['type']}:{e['hash']}" for e in entries}) for name, entries in sorted(found.items())}
        BASELINE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        print(f"{BASELINE.name}: {sum(map(len, kept.values()))} findings in {len(kept)} files; read the diff before committing")
        return 0
    known: dict[str, list[str]] = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    new = [
        f"{name}:{entry['line']} {entry['type']}"
        for name, entries in found.items()
        for entry in entries
        if f"{entry['type']}:{entry['hash']}" not in known.get(name, [])
    ]
    if new:
        print("\n".join(new))
        print("A secret? Take it out, and revoke it. Harmless? .venv/bin/python scripts/secrets_scan.py --update, and say why.")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
