"""Appending to the audit log: one row at a time under one lock, each hashed over the one before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from knowledge.domain.chain import canonical, chain_hash
from runtime.db import wire
from runtime.db.judgements import Judged, law

_ROW = """insert into audit_log (seq, at, kind, action_id, actor, payload, payload_text, prev_hash, hash)
  values (:seq, :at, :kind, :action_id, :actor, cast(cast(:payload as text) as jsonb), :payload, :prev, :hash)"""
_JUDGEMENT = """insert into judgements (seq, action_id, at, policy_version, policy_hash, law, facts, verdict, digest)
  values (:seq, :action_id, :judged_at, :version, :policy_hash, :law, cast(:facts as json), cast(:verdict as json), :digest)"""


async def append(
    conn: wire.Errand,
    kind: str,
    actor: str,
    at: datetime,
    payload: dict[str, Any],
    action_id: str | None = None,
    judged: Judged | None = None,
) -> None:
    """Appends a row, and with it the judgement that it tells of. Holds the log's lock until the transaction ends."""
    await wire.later(conn, "select pg_advisory_xact_lock(hashtextextended('audit', 0))")
    last = await wire.one(conn, "select seq, hash from audit_log order by seq desc limit 1")
    seq, prev = (last["seq"] + 1, last["hash"]) if last else (1, "")
    more: dict[str, Any] = {}
    if judged is not None:
        digest = judged.digest
        payload = payload | {"judgement": digest}
        more = {
            "judged_at": judged.at,
            "version": judged.policy_version,
            "policy_hash": judged.policy_hash,
            "law": law(),
            "facts": judged.facts,
            "verdict": judged.verdict,
            "digest": digest,
        }
    body = canonical(payload)
    values = {
        "seq": seq,
        "at": at,
        "kind": kind,
        "action_id": action_id,
        "actor": actor,
        "payload": body,
        "prev": prev,
        "hash": chain_hash(prev, seq, at, kind, actor, action_id, body),
    }
    statement = f"with told as ({_ROW}) {_JUDGEMENT}" if judged is not None else _ROW
    await wire.later(conn, statement, values | more)
