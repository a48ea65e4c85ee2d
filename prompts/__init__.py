"""Words for models. `load` fills a prompt file and refuses to leave a hole or to swallow a value nobody asked for."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

_ROOT = Path(__file__).parent
_HOLE = re.compile(r"\{\{\s*([a-z_][a-z0-9_]*)\s*\}\}")


class PromptError(ValueError):
    """A prompt and the values given for it do not fit."""


@lru_cache
def source(name: str) -> str:
    """The raw text of a prompt: `sp_agente_v1` finds sp_agente_v1.xml or .md. Raises PromptError when there is no such file."""
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise PromptError(f"prompt {name!r}: a name has small letters, digits and underscores only")
    for suffix in (".xml", ".md"):
        path = _ROOT / f"{name}{suffix}"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    known = ", ".join(sorted(p.stem for p in _ROOT.iterdir() if p.suffix in {".xml", ".md"}))
    raise PromptError(f"prompt {name!r}: no such file; known: {known}")


def placeholders(name: str) -> frozenset[str]:
    """The {{placeholders}} a prompt wants filled."""
    return frozenset(_HOLE.findall(source(name)))


def load(name: str, **values: str) -> str:
    """The prompt with every {{placeholder}} filled. Raises PromptError for a missing or an unknown one."""
    wanted = placeholders(name)
    if missing := sorted(wanted - values.keys()):
        raise PromptError(f"prompt {name!r}: no value for {', '.join(missing)}")
    if unknown := sorted(values.keys() - wanted):
        raise PromptError(f"prompt {name!r}: has no placeholder {', '.join(unknown)}; it has {', '.join(sorted(wanted)) or 'none'}")
    return _HOLE.sub(lambda hole: values[hole[1]], source(name))
