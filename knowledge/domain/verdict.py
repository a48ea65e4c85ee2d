"""What the law says of an action: findings with the numbers they used, and the worst of them as the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field

from knowledge.domain.message import Message

Answer = Literal["allow", "ask", "refuse"]
_SEVERITY: dict[Answer, int] = {"allow": 0, "ask": 1, "refuse": 2}


class Finding(BaseModel):
    """One rule's word. `message` carries the rule's sentence with the measured number and the limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    answer: Answer
    message: Message
    numbers: dict[str, Any] = Field(default_factory=dict)


class Verdict(BaseModel):
    """Every finding of every rule that applied; the answer is the worst of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: Answer
    findings: tuple[Finding, ...]
    policy_version: str

    @classmethod
    def of(cls, findings: Iterable[Finding], policy_version: str) -> Verdict:
        """The worst answer wins; no finding at all means no rule looked, which is refused by the caller's contract."""
        kept = tuple(findings)
        answers: list[Answer] = [f.answer for f in kept]
        answer: Answer = max(answers, key=lambda a: _SEVERITY[a]) if answers else "refuse"
        return cls(answer=answer, findings=kept, policy_version=policy_version)

    @cached_property
    def plain(self) -> dict[str, Any]:
        """As JSON values, made once: a pass of the gate writes the same verdict into several rows. Not to be changed."""
        return self.model_dump(mode="json")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy says its own words: what was made of the original's is left behind."""
        copied = super().model_copy(update=update, deep=deep)
        cast(dict[str, Any], copied.__dict__).pop("plain", None)
        return copied

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """The findings that made the answer worse than allow."""
        return tuple(f for f in self.findings if f.answer != "allow")
