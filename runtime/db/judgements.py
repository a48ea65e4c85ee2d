"""What a replay needs of a judgement, written in the gate's own transaction: the facts, the verdict, and the policy it was made under.

The gate's books call this whenever a verdict reaches the ledger, so that no way of judging can forget it. The audit row that tells
of the judgement carries its digest; a judgement that nobody told of by the end of the transaction gets an audit row of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources

from knowledge.domain.chain import judgement_hash, sha256
from knowledge.domain.policy import Policy
from runtime.db import wire


@dataclass(frozen=True)
class KeptPolicy:
    """A policy as it is kept: the text that its version names, and that text's whole hash."""

    policy: Policy
    version: str
    document: str
    hash: str

    @classmethod
    def of(cls, policy: Policy) -> KeptPolicy:
        document = policy.document()
        digest = sha256(document)
        return cls(policy, digest[:12], document, digest)


@dataclass(frozen=True)
class Judged:
    """One judgement on its way into the books. Texts are canonical JSON."""

    action_id: str
    at: datetime
    answer: str
    policy_version: str
    policy_hash: str
    facts: str
    verdict: str

    @property
    def digest(self) -> str:
        return judgement_hash(self.action_id, self.policy_version, self.policy_hash, law(), self.facts, self.verdict)


@cache
def law() -> str:
    """Twelve characters that name the edition of the rules' own code: a replay that differs can say whether the law was rewritten."""
    parts: list[str] = []
    for package in ("knowledge.domain", "tools.guardrails"):
        for file in sorted(resources.files(package).iterdir(), key=lambda f: f.name):
            if file.name.endswith(".py"):
                parts.append(f"{package}/{file.name}\n{file.read_text(encoding='utf-8')}")
    return sha256("\n".join(parts))[:12]


class LawBook:
    """The policies of one process: which were judged by, and which are known to be in the database."""

    def __init__(self) -> None:
        self._last: KeptPolicy | None = None
        self._known: dict[str, KeptPolicy] = {}
        self._kept: set[str] = set()

    def seen(self, policy: Policy) -> None:
        """A policy that is about to judge."""
        if self._last is None or self._last.policy is not policy:
            self._last = KeptPolicy.of(policy)
            self._known[self._last.version] = self._last

    def hash_of(self, version: str) -> str:
        """The whole hash of a version's document; empty when this process never saw it."""
        kept = self._known.get(version)
        return kept.hash if kept else ""

    async def keep(self, conn: wire.Errand, judged: Iterable[Judged]) -> list[str]:
        """Writes down the policies of these judgements that are not known to be there. `settle` the result once it is committed.

        Called under the audit log's lock, so that two processes with a new policy never wait for each other crosswise.
        """
        fresh: dict[str, datetime] = {}
        for one in judged:
            if one.policy_version not in self._kept and one.policy_version in self._known:
                fresh.setdefault(one.policy_version, one.at)
        for version, at in fresh.items():
            await _keep(conn, self._known[version], at)
        return list(fresh)

    def settle(self, versions: Iterable[str]) -> None:
        """These are committed."""
        self._kept.update(versions)


async def keep_policy(conn: wire.Errand, policy: Policy, at: datetime) -> None:
    """Writes a policy down unless it is there. Append to the audit log before it in the same transaction (see LawBook.keep)."""
    await _keep(conn, KeptPolicy.of(policy), at)


async def _keep(conn: wire.Errand, kept: KeptPolicy, at: datetime) -> None:
    await wire.do(
        conn,
        "insert into policies (version, document, first_seen_at) values (:version, :document, :at) on conflict do nothing",
        {"version": kept.version, "document": kept.document, "at": at},
    )
