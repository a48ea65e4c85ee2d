"""Parts of a long proof: which are done, kept in a file, so that a run that was interrupted goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PROVEN = (
    "knowledge/domain",
    "tools/gate",
    "tools/guardrails",
    "tools/effects.py",
    "tools/permit.py",
    "runtime/proof",
    "runtime/db",
)


@dataclass(frozen=True)
class Part:
    """One finished episode. `counts`: what became of actions and what happened to the house; `faults`: what was injected."""

    number: int
    seed: int
    steps: int
    seconds: float
    commits: int
    counts: dict[str, int]
    faults: dict[str, int]
    breaches: list[str] = field(default_factory=list[str])
    lines: list[str] = field(default_factory=list[str])


def revision() -> str:
    """Twelve characters that name the code under proof: a part proves nothing about code that was changed since."""
    digest = hashlib.sha256()
    for place in _PROVEN:
        path = ROOT / place
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.suffix in (".py", ".sql"):
                digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def seed_of(seed: int, number: int) -> int:
    """The seed of one part: any part can be run again alone."""
    return seed * 1_000_000 + number


class Parts:
    """The finished parts of one proof: books, seed, steps a part, and the code it is about. One JSON object a line."""

    def __init__(self, folder: Path, books: str, seed: int, size: int) -> None:
        self.code = revision()
        self.path = folder / f"{books}-seed{seed}-part{size}-{self.code}.jsonl"
        self.done: dict[int, Part] = {}
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                try:
                    part = Part(**json.loads(line))
                except ValueError:  # the run was stopped in the middle of this line; the part is run again
                    continue
                self.done[part.number] = part

    def add(self, part: Part) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(part)) + "\n")
        self.done[part.number] = part

    @property
    def steps(self) -> int:
        return sum(part.steps for part in self.done.values())

    def broken(self) -> Part | None:
        """The first part that found something."""
        return next((part for _, part in sorted(self.done.items()) if part.breaches), None)
