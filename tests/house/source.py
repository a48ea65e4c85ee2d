"""The tree of our own source, parsed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("agents", "tools", "knowledge", "prompts", "runtime")


@lru_cache
def modules() -> dict[str, ast.Module]:
    """path relative to the root -> syntax tree, for product code."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if "__pycache__" not in path.parts
    }


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node


def imported(tree: ast.Module) -> set[str]:
    """Every module that is imported, absolute, with the imported names as possible submodules."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def importers(package: str) -> set[str]:
    """Files that import a package or anything below it."""
    return {
        path
        for path, tree in modules().items()
        if any(name == package or name.startswith(f"{package}.") for name in imported(tree))
    }
