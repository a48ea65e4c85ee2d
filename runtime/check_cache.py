"""The last answers of `ceo config check`, kept in the user's cache folder, so that asking again costs no imports.

An answer is a pure function of the operator's file, the `.env`, the variables that the settings read, the code (every file of the
packages, every folder of installed ones), the time zone data, and the moment. All of them but the moment go into one digest under
a key of the entry's own, so that no entry tells anything about a secret; the moment is checked against the span for which the
schedules' next runs were worked out. Whatever does not match, cannot be read, or belongs to somebody else is no answer.
Standard library only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from runtime import environment
from runtime.check_report import Report

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("agents", "tools", "knowledge", "prompts", "runtime")
SPAN = timedelta(minutes=30)
"""How long an answer may be shown: the runs of each schedule are worked out that far ahead."""
KEPT = 32
LARGEST = 2_000_000
FORM = 1
SECRET_LENGTH = 6
"""Shorter values are words that a report may well contain."""
BESIDE = ("PYTHONTZPATH", "PYDANTIC_DISABLE_PLUGINS")
"""Variables that change an answer though the settings do not read them."""


@dataclass(frozen=True)
class Ask:
    """What was asked: the file as it was named (None: the default one) and the language (None: the file's)."""

    config: str | None = None
    locale: str | None = None


@dataclass(frozen=True)
class Answer:
    """A report, or the problems because of which there is none. `fires`: schedule -> (moment, words) of its coming runs."""

    report: Report | None
    problems: list[str]
    since: datetime
    until: datetime
    fires: dict[str, list[tuple[str, str]]] = field(default_factory=dict[str, list[tuple[str, str]]])


@dataclass(frozen=True)
class Basis:
    """What an answer was made from. `contents`: files whose bytes count; `places`: files and folders whose stamp counts."""

    names: list[str]
    contents: list[str]
    places: list[str]


def code_stamp() -> str:
    """A digest over names, sizes and times of every file of the product, the folders of installed packages and the interpreter."""
    found = hashlib.blake2b(f"{FORM} {sys.version} {sys.prefix} {ROOT}".encode())
    for package in PACKAGES:
        _walk(str(ROOT / package), found)
    for place in sys.path:
        found.update(f"{place} {_stamp(place)}\n".encode())
    return found.hexdigest()


def _walk(folder: str, found: Any) -> None:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.name == "__pycache__":
                continue
            if entry.is_dir():
                _walk(entry.path, found)
            else:
                seen = entry.stat()
                found.update(f"{entry.path} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}\n".encode())


def _stamp(place: str) -> str:
    try:
        seen = os.stat(place)
    except OSError:
        return "none"
    if stat.S_ISDIR(seen.st_mode):  # what was put in or taken out; permissions and owner say nothing
        return f"{seen.st_ino} {seen.st_mtime_ns}"
    return f"{seen.st_ino} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}"


def digest(key: bytes, ask: Ask, basis: Basis, code: str) -> str:
    """One value for everything but the moment. Raises OSError when a file that is there cannot be read."""
    found = hashlib.blake2b(key=key, digest_size=32)

    def put(name: str, value: bytes | None) -> None:
        found.update(f"{name}\0{-1 if value is None else len(value)}\0".encode("utf-8", "surrogateescape"))
        found.update(value or b"")

    put("ask", json.dumps([ask.config, ask.locale, os.getcwd(), code]).encode())
    put(".env", environment.dotenv_bytes())
    given = environment.variables()
    for name in (*basis.names, *BESIDE):
        put(name, given[name].encode("utf-8", "surrogateescape") if name in given else None)
    for name in basis.contents:
        put(name, Path(name).read_bytes() if Path(name).exists() else None)
    for name in basis.places:
        put(name, _stamp(name).encode())
    return found.hexdigest()


def folder() -> Path | None:
    """Where answers are kept; None when this user has no place of their own."""
    given = environment.variables()
    base = given.get("XDG_CACHE_HOME") or ""
    if not base.startswith("/"):
        home = given.get("HOME") or ""
        if not home.startswith("/"):
            return None
        base = f"{home}/.cache"
    return Path(base, "agente-ceo", "checks")


def _place(ask: Ask) -> Path | None:
    kept = folder()
    name = hashlib.blake2b(json.dumps([ask.config, ask.locale, os.getcwd()]).encode(), digest_size=16).hexdigest()
    return kept / f"{name}.json" if kept else None


def load(ask: Ask, now: datetime, code: str | None = None) -> Answer | None:
    """The answer of last time as it reads now, if nothing that it was made from has changed since."""
    try:
        place = _place(ask)
        raw = _own(place) if place else None
        if raw is None:
            return None
        found = json.loads(raw)
        since, until = datetime.fromisoformat(found["since"]), datetime.fromisoformat(found["until"])
        if found["form"] != FORM or not since <= now < until:
            return None
        if digest(bytes.fromhex(found["key"]), ask, Basis(**found["basis"]), code or code_stamp()) != found["digest"]:
            return None
        fires = {name: [(moment, words) for moment, words in rows] for name, rows in found["fires"].items()}
        report = Report(**found["report"]).at(now, fires) if found["report"] else None
        return Answer(report, found["problems"], since, until, fires)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # of no use, whatever it is: the check is made anew
        return None


def _own(place: Path) -> bytes | None:
    """The bytes of a plain file that only this user may write; None for anything else."""
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        seen = os.fstat(descriptor)
        mine = stat.S_ISREG(seen.st_mode) and seen.st_uid == os.geteuid() and not seen.st_mode & 0o022
        return file.read(LARGEST) if mine else None


class Recorder:
    """Takes the digest before the check and again after it: what changed in between is not kept under either."""

    def __init__(self, ask: Ask, code: str | None = None) -> None:
        self.ask = ask
        self.key = os.urandom(32)
        self.code = code or code_stamp()
        self.basis: Basis | None = None
        self.before: str | None = None

    def begin(self, basis: Basis) -> None:
        """To be called before anything of the basis is read."""
        with contextlib.suppress(OSError):  # what cannot be read now is told by the check itself
            self.before = digest(self.key, self.ask, basis, self.code)
            self.basis = basis

    def keep(self, answer: Answer) -> bool:
        """Stores the answer; False when it is not worth keeping or there is no place for it. Never raises for the lack of one."""
        place = _place(self.ask)
        if place is None or self.basis is None or not hasattr(os, "geteuid"):
            return False
        try:
            if digest(self.key, self.ask, self.basis, code_stamp()) != self.before:
                return False
            text = json.dumps(
                {
                    "form": FORM, "key": self.key.hex(), "digest": self.before, "basis": asdict(self.basis),
                    "since": answer.since.isoformat(), "until": answer.until.isoformat(), "fires": answer.fires,
                    "report": asdict(answer.report) if answer.report else None, "problems": answer.problems,
                },
                ensure_ascii=False,
            )  # fmt: skip
            given = environment.variables() | environment.dotenv_values()
            values = [given[name] for name in self.basis.names if name in given and _secret(name)]
            if any(len(value) >= SECRET_LENGTH and value in text for value in values):
                return False
            _write(place, text.encode())
        except (OSError, UnicodeError):  # a full or read-only disk makes the next check slower, nothing else
            return False
        return True


def _secret(name: str) -> bool:
    return not name.startswith("CEO_") or name == "CEO_SECRET_KEY"


def _write(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = place.with_name(f".draft-{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.replace(draft, place)
    except OSError:
        os.unlink(draft)
        raise
    old = sorted(place.parent.glob("*.json"), key=lambda p: p.stat().st_mtime_ns, reverse=True)[KEPT:]
    for file in old:
        file.unlink(missing_ok=True)
