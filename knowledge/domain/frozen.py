"""A frozen value that may keep what was made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value that never changes, so that a `cached_property` of it is made once. A copy leaves those behind and makes its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copied = super().model_copy(update=update, deep=deep)
        kept: dict[str, Any] = vars(copied)  # pyright: ignore[reportAssignmentType]
        for name in kept.keys() - type(self).model_fields.keys():
            del kept[name]
        return copied
