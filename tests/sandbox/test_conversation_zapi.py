"""Z-API's twin: what its wire promises, and the traps that a client must survive."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from conversation_support import INSTANCE, START, ZAPI_HEADERS, Twins, running

LEAD = "5544999990000"
CONTRACTS = Path(__file__).parents[2] / "../shared/contracts/conversation"


@pytest.fixture
async def twins() -> AsyncIterator[Twins]:
    async with running() as made:
        yield made


async def test_a_send_is_answered_queued_and_its_fate_comes_later(twins: Twins) -> None:
    answer = await twins.send(LEAD, "Olá!")
    assert set(answer) == {"zaapId", "messageId", "id"} and answer["messageId"] == answer["id"]
    assert twins.inbox == []
    await twins.after(seconds=20)
    (delivered,) = twins.of("zapi", type="DeliveryCallback")
    assert delivered["messageId"] == answer["id"] and delivered["zaapId"] == answer["zaapId"]
    statuses = twins.of("zapi", type="MessageStatusCallback")
    assert [row["status"] for row in statuses] == ["SENT", "RECEIVED"]
    assert all(row["ids"] == [answer["id"]] for row in statuses)
    assert all(row["momment"] > START.timestamp() * 1000 for row in statuses), "milliseconds"


async def test_our_own_message_is_echoed_only_under_notify_sent_by_me(twins: Twins) -> None:
    await twins.send(LEAD, "com eco")
    await twins.after(seconds=20)
    (echo,) = twins.of("zapi", type="ReceivedCallback")
    assert echo["fromMe"] and echo["fromApi"]
    hook = twins.world.targets["zapi"].url
    answer = await twins.http.put(
        INSTANCE + "/update-every-webhooks", json={"value": hook, "notifySentByMe": False}, headers=ZAPI_HEADERS
    )
    assert answer.json() == {"value": True}
    await twins.send(LEAD, "sem eco")
    await twins.after(seconds=20)
    assert len(twins.of("zapi", type="ReceivedCallback")) == 1


@pytest.mark.parametrize(
    ("path", "headers", "content", "status", "error"),
    [
        ("/send-text", {}, {"phone": LEAD, "message": "a"}, 403, "null not allowed"),
        ("/send-text", {"Client-Token": "x"}, {"phone": LEAD, "message": "a"}, 403, "Client-Token not allowed"),
        ("/send-text", ZAPI_HEADERS, {"phone": LEAD, "message": "a", "typing": 3}, 400, "Unknown field: typing"),
        ("/send-text", ZAPI_HEADERS, {"phone": LEAD}, 400, "message is required"),
        ("/send-text", ZAPI_HEADERS, {"phone": "+55 (44) 9", "message": "a"}, 400, "Phone number is invalid"),
        (
            "/send-text",
            ZAPI_HEADERS,
            {"phone": LEAD, "message": "a", "delayTyping": 16},
            400,
            "delayTyping must be between 1 and 15",
        ),
        ("/send-audio", ZAPI_HEADERS, {"phone": LEAD, "audio": "data:audio/ogg;base64,%%"}, 400, "audio is not valid base64"),
    ],
)
async def test_refusals(
    twins: Twins, path: str, headers: dict[str, str], content: dict[str, object], status: int, error: str
) -> None:
    answer = await twins.http.post(INSTANCE + path, json=content, headers=headers)
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert twins.world.writes == []


async def test_wrong_verb_wrong_type_and_wrong_instance(twins: Twins) -> None:
    assert (await twins.http.get(INSTANCE + "/send-text", headers=ZAPI_HEADERS)).status_code == 405
    assert (await twins.http.post(INSTANCE + "/send-text", data={"phone": LEAD}, headers=ZAPI_HEADERS)).status_code == 415
    assert (await twins.http.post(INSTANCE[:-1] + "X/send-text", json={}, headers=ZAPI_HEADERS)).status_code == 400


async def test_one_person_two_spellings_one_chat(twins: Twins) -> None:
    await twins.http.post("/zapi/_control/number", json={"phone": LEAD, "spelling": "554499990000"})
    found = (await twins.http.get(f"{INSTANCE}/phone-exists/{LEAD}", headers=ZAPI_HEADERS)).json()
    assert found["exists"] and found["phone"] == "554499990000"
    by_lid = await twins.send(found["lid"], "pelo lid")
    await twins.send(LEAD, "com nove")
    await twins.after(seconds=30)
    assert {row["phone"] for row in twins.of("zapi", type="DeliveryCallback")} == {"554499990000"}
    assert by_lid["id"] in {row["messageId"] for row in twins.of("zapi", type="DeliveryCallback")}


async def test_inbound_pushes_duplicates_out_of_order_and_a_human_on_the_phone(twins: Twins) -> None:
    push = "/zapi/_control/inbound"
    late = (START - timedelta(hours=1)).isoformat()
    for body in (
        {"phone": LEAD, "text": "oi", "messageId": "M1"},
        {"phone": LEAD, "text": "oi", "messageId": "M1"},
        {"phone": LEAD, "text": "antes", "messageId": "M0", "at": late},
        {"phone": LEAD, "text": "oi, editado", "messageId": "M1", "isEdit": True},
        {"phone": LEAD, "text": "aqui é a Helena", "fromMe": True, "fromApi": False},
    ):
        assert (await twins.http.post(push, json=body)).json() == {"status": 200}
    rows = twins.of("zapi", type="ReceivedCallback")
    assert [r["messageId"] for r in rows[:4]] == ["M1", "M1", "M0", "M1"]
    assert rows[2]["momment"] < rows[1]["momment"] and rows[3]["isEdit"]
    assert rows[4]["fromMe"] and not rows[4]["fromApi"]
    assert len({r["chatLid"] for r in rows}) == 1


async def test_after_an_outage_the_whole_queue_leaves_at_once(twins: Twins) -> None:
    await twins.http.post("/zapi/_control/connection", json={"connected": False})
    status = (await twins.http.get(INSTANCE + "/status", headers=ZAPI_HEADERS)).json()
    assert status["connected"] is False and status["error"]
    for number in range(3):
        await twins.send(LEAD, f"parada {number}")
    await twins.after(hours=2)
    assert twins.of("zapi", type="DeliveryCallback") == []
    await twins.http.post("/zapi/_control/connection", json={"connected": True})
    assert len(twins.of("zapi", type="DeliveryCallback")) == 3
    assert [r["type"] for r in twins.of("zapi")][:2] == ["DisconnectedCallback", "ConnectedCallback"]


async def test_a_number_without_whatsapp_fails_by_callback_only(twins: Twins) -> None:
    await twins.http.post("/zapi/_control/number", json={"phone": LEAD, "exists": False})
    await twins.send(LEAD, "alguém aí?")
    await twins.after(seconds=20)
    (row,) = twins.of("zapi", type="DeliveryCallback")
    assert row["error"] and twins.of("zapi", type="MessageStatusCallback") == []


async def test_read_message_answers_204(twins: Twins) -> None:
    answer = await twins.http.post(INSTANCE + "/read-message", json={"phone": LEAD, "messageId": "M1"}, headers=ZAPI_HEADERS)
    assert answer.status_code == 204 and answer.content == b""


async def test_chaos_repeats_and_reorders_webhooks_but_invents_none(twins: Twins) -> None:
    await twins.http.post("/zapi/_control/chaos", json={"duplicate": 0.5, "reorder": 0.5})
    for number in range(20):
        await twins.http.post("/zapi/_control/inbound", json={"phone": LEAD, "text": str(number), "messageId": f"M{number}"})
    await twins.after(minutes=5)
    seen = [int(row["messageId"][1:]) for row in twins.of("zapi", type="ReceivedCallback")]
    assert set(seen) == set(range(20)) and len(seen) > 22 and seen != sorted(seen)


async def test_payloads_have_the_published_keys(twins: Twins) -> None:
    path = CONTRACTS / "zapi_webhook_examples.json"
    if not path.exists():
        pytest.skip("the contract folder is not on this machine")
    examples = json.loads(path.read_text())["examples"]
    published = [row["payload"] for rows in examples.values() for row in rows]
    for kind in ("audio", "image"):
        await twins.http.post("/zapi/_control/inbound", json={"phone": LEAD, "kind": kind})
        example = next(p for p in published if p.get(kind) and not p.get("isGroup"))
        ours = twins.of("zapi", type="ReceivedCallback")[-1]
        assert set(example) - set(ours) <= {"senderLid", "participantPhone"}, "spellings of newer and older servers"
        assert set(example[kind]) == set(ours[kind])
    await twins.send(LEAD, "oi")
    await twins.after(seconds=20)
    example = next(p for p in published if p.get("type") == "MessageStatusCallback")
    assert set(twins.of("zapi", type="MessageStatusCallback")[0]) == set(example)
