"""How an effect is sent: the rules that give no verdict, because they are kept while the action is on its way.

`tools.gate.performing` asks here whether a call that failed is made once more, and `tools.http` keeps pace and breaker; all of them by
the same dials. Pure: chance is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from knowledge.domain.message import Message
from knowledge.domain.policy import Operational, Policy


@dataclass(frozen=True)
class Conduct:
    """A rule of sending, in words with the policy's numbers."""

    id: str
    sentence: Callable[[Policy], Message]


def again(failed: int, limits: Operational, asked: float = 0.0) -> bool:
    """Whether a call that failed so many times is made once more in this attempt. `asked`: seconds that the vendor asked us to wait;
    a longer rest than the dial's is not sat out here, the action waits for the next round."""
    return failed < limits.attempts and asked <= limits.longest_wait_seconds


def rest(failed: int, limits: Operational, chance: float) -> float:
    """Seconds before the next try: twice as long each time, give or take half of it (`chance` is 0 to 1), never beyond the dial."""
    wait = float(limits.first_wait_seconds) * 2 ** (failed - 1) * (0.5 + chance)
    return min(wait, float(limits.longest_wait_seconds))


def _retries(policy: Policy) -> Message:
    limits = policy.guardrails.operational
    params = {"attempts": limits.attempts, "first": limits.first_wait_seconds, "longest": limits.longest_wait_seconds}
    return Message(id="rule.retries", params=params)


def _breaker(policy: Policy) -> Message:
    limits = policy.guardrails.operational
    return Message(id="rule.breaker", params={"failures": limits.breaker_failures, "seconds": limits.breaker_seconds})


CONDUCT: tuple[Conduct, ...] = (
    Conduct("pace", lambda _: Message(id="rule.pace")),
    Conduct("once", lambda _: Message(id="rule.once")),
    Conduct("lost_answer", lambda _: Message(id="rule.lost_answer")),
    Conduct("retries", _retries),
    Conduct("breaker", _breaker),
)
"""Rate limit per account, idempotency key, reconciliation before any retry, retries, circuit breaker."""
