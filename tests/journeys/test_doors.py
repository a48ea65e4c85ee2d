"""What stands before the inbox: who is not a vendor gets nothing in, and learns nothing."""

from __future__ import annotations

import json

from runtime.sandbox.chatwoot_state import signature
from runtime.sandbox.zapi_state import INSTANCE_ID
from tests.journeys.town import Town

TOKEN = "sandbox-zapi-path"


def message(**fields: object) -> bytes:
    body = {"type": "ReceivedCallback", "instanceId": INSTANCE_ID, "messageId": "M1", "phone": "5541987650001"}
    return json.dumps(body | {"text": {"message": "Oi"}} | fields).encode()


async def test_nothing_unverified_is_stored(town: Town) -> None:
    stamp = str(int(town.stage.clock.now().timestamp()))
    old = str(int(town.stage.clock.now().timestamp()) - 301)
    body = b'{"event": "message_created"}'

    def signed(secret: str, at: str, over: bytes = body) -> dict[str, str]:
        return {"x-chatwoot-signature": signature(secret, at, over), "x-chatwoot-timestamp": at}

    attempts: list[tuple[str, bytes, dict[str, str], int]] = [
        ("zapi/wrong-token", message(), {}, 404),
        ("zapi", message(), {}, 404),
        (f"zapi/{TOKEN}", message(instanceId="SOMEBODYELSE"), {}, 404),
        (f"zapi/{TOKEN}", b"not json", {}, 404),
        (f"nobody/{TOKEN}", message(), {}, 404),
        ("chatwoot", body, {}, 404),
        ("chatwoot", body, signed("another-secret", stamp), 404),
        ("chatwoot", body, signed("sandbox-chatwoot-secret", stamp, body + b" "), 404),
        ("chatwoot", body, signed("sandbox-chatwoot-secret", old), 404),
        (f"zapi/{TOKEN}", message(text={"message": "x" * 1_000_000}), {}, 413),
    ]
    answers: set[str] = set()
    for path, raw, headers, status in attempts:
        answer = await town.http.post(f"{town.stage.url}/webhooks/{path}", content=raw, headers=headers)
        assert answer.status_code == status, (path, answer.text)
        if status == 404:
            answers.add(answer.text)
    assert len(answers) == 1  # unknown source, missing and wrong credential look alike
    assert (await town.http.get(f"{town.stage.url}/webhooks/zapi/{TOKEN}")).status_code == 405
    assert await town.one("select count(*) from webhook_events") == 0
    assert await town.one("select count(*) from leads") == 0


async def test_payload_that_is_not_the_vendors_is_a_dead_letter_with_its_reason(town: Town) -> None:
    raw = message(messageId=["not", "a", "text"])
    answer = await town.http.post(f"{town.stage.url}/webhooks/zapi/{TOKEN}", content=raw)
    assert answer.status_code == 202
    await town.pass_time(seconds=10)
    ((status, error, kept),) = await town.rows("select status, error, raw from webhook_events")
    assert status == "dead"
    assert "messageId" in error
    assert bytes(kept) == raw  # byte for byte, for the replay
    assert await town.one("select count(*) from messages") == 0
    assert await town.rows("select name from dbos.workflow_status where status <> 'SUCCESS'") == []


async def test_valid_payloads_that_ask_for_nothing_are_swallowed(town: Town) -> None:
    for fields in ({"isGroup": True}, {"messageId": "M2", "isNewsletter": True}, {"messageId": "M3", "type": "SomethingNew"}):
        answer = await town.http.post(f"{town.stage.url}/webhooks/zapi/{TOKEN}", content=message(**fields))
        assert answer.status_code == 202
    await town.pass_time(minutes=1)
    assert await town.one("select count(*) from messages") == 0
    assert town.answers() == []
    await town.clean()


async def test_health_tells_strangers_nothing_more_than_health(town: Town) -> None:
    assert (await town.http.get(f"{town.stage.url}/healthz")).json() == {"status": "ok"}
    assert (await town.http.get(f"{town.stage.url}/readyz")).json() == {"status": "ok"}
