"""What the law says of an action: findings with the numbers they used, and the worst of them as the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property
from json.encoder import encode_basestring
from typing import Any, Literal

from pydantic import Field
from pydantic_core import to_jsonable_python

from knowledge.domain.chain import Spelled, canonical
from knowledge.domain.frozen import Frozen
from knowledge.domain.message import Message
from knowledge.domain.money import Money

Answer = Literal["allow", "ask", "refuse"]
_SEVERITY: dict[Answer, int] = {"allow": 0, "ask": 1, "refuse": 2}


class Finding(Frozen):
    """One rule's word. `message` carries the rule's sentence with the measured number and the limit."""

    rule: str
    answer: Answer
    message: Message
    numbers: dict[str, Any] = Field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """`canonical(self)`, made once: a rule often says from pass to pass what it said before."""
        return _spelled(self)


class Verdict(Frozen):
    """Every finding of every rule that applied; the answer is the worst of them."""

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
    def told(self) -> Spelled:
        """The findings as several rows tell of them."""
        return Spelled("[" + ",".join([f.text for f in self.findings]) + "]")

    @cached_property
    def text(self) -> str:
        """`canonical(self)`, made once."""
        return canonical({"answer": self.answer, "findings": self.told, "policy_version": self.policy_version})

    @cached_property
    def reasons(self) -> tuple[Finding, ...]:
        """The findings that made the answer worse than allow."""
        return tuple(f for f in self.findings if f.answer != "allow")


def _spelled(finding: Finding) -> str:
    """`canonical(finding)` in a third of the time: a verdict has some thirty, and most of their numbers are their parameters."""
    given = finding.message.params
    params = {name: _value(value) for name, value in given.items()}
    numbers = {
        name: params[name] if name in given and given[name] is value else _value(value) for name, value in finding.numbers.items()
    }
    message = f'{{"id":{encode_basestring(finding.message.id)},"params":{_object(params)}}}'
    rule = encode_basestring(finding.rule)
    return f'{{"answer":"{finding.answer}","message":{message},"numbers":{_object(numbers)},"rule":{rule}}}'


def _object(texts: Mapping[str, str]) -> str:
    return "{" + ",".join([f"{encode_basestring(name)}:{texts[name]}" for name in sorted(texts)]) + "}"


def _value(value: object) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, Money):
        return f'{{"currency":"{value.currency}","minor":{value.minor}}}'
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Decimal):
        return f'"{value}"'
    return canonical(to_jsonable_python(value, inf_nan_mode="null"))  # whatever else there is, as a model spells it
