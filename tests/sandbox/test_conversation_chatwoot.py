"""Chatwoot's twin: token rights, payload shapes, signature, and the calls of chatwoot-sdk that work on the real server."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from chatwoot import AsyncChatwootClient
from conversation_support import ACCOUNT, BOT, USER, Twins, running

from runtime.sandbox import chatwoot_state
from runtime.sandbox.world import WebhookTarget

CONTRACTS = Path(__file__).parents[2] / "../shared/contracts/conversation"


@pytest.fixture
async def twins() -> AsyncIterator[Twins]:
    async with running() as made:
        yield made


async def post(twins: Twins, path: str, body: dict[str, object], headers: dict[str, str] = BOT) -> httpx.Response:
    return await twins.http.post(ACCOUNT + path, json=body, headers=headers)


async def test_the_sender_follows_the_token(twins: Twins) -> None:
    talk = await twins.conversation()
    assert talk["status"] == "pending"
    path = f"/conversations/{talk['id']}/messages"
    by_bot = (await post(twins, path, {"content": "Olá"})).json()
    by_user = (await post(twins, path, {"content": "Oi"}, USER)).json()
    lead = (await post(twins, path, {"content": "quero", "message_type": "incoming", "source_id": "W1"}, USER)).json()
    assert by_bot["sender"]["type"] == "agent_bot" and by_user["sender"]["type"] == "user"
    assert lead["message_type"] == 0 and lead["sender"]["type"] == "contact"
    await twins.after(seconds=2)
    hooks = {row["id"]: row for row in twins.of("chatwoot", event="message_created")}
    assert hooks[by_bot["id"]]["message_type"] == "outgoing" and hooks[by_bot["id"]]["sender"]["type"] == "agent_bot"
    assert "type" not in hooks[lead["id"]]["sender"] and hooks[lead["id"]]["message_type"] == "incoming"
    assert hooks[lead["id"]]["conversation"]["messages"][0]["message_type"] == 0
    assert isinstance(hooks[lead["id"]]["created_at"], str) and hooks[lead["id"]]["created_at"].endswith("Z")


async def test_a_bot_token_may_not_list_messages_or_touch_contacts(twins: Twins) -> None:
    talk = await twins.conversation()
    for path in (f"/conversations/{talk['id']}/messages", "/contacts", "/conversations", "/inboxes"):
        assert (await twins.http.get(ACCOUNT + path, headers=BOT)).status_code == 401, path
    assert (await twins.http.get(f"{ACCOUNT}/conversations/{talk['id']}", headers=BOT)).status_code == 200
    assert (await twins.http.get(ACCOUNT + "/inboxes", headers={"api-access-token": "no"})).json() == {
        "error": "Invalid Access Token"
    }


async def test_handoff_by_the_bot_answers_success_null_and_announces_the_change(twins: Twins) -> None:
    talk = await twins.conversation()
    answer = (await post(twins, f"/conversations/{talk['id']}/toggle_status", {"status": "open"})).json()
    assert answer["payload"]["success"] is None and answer["payload"]["current_status"] == "open"
    await twins.after(seconds=2)
    (row,) = twins.of("chatwoot", event="conversation_status_changed")
    assert {"status": {"previous_value": "pending", "current_value": "open"}} in row["changed_attributes"]
    again = (await post(twins, f"/conversations/{talk['id']}/toggle_status", {"status": "pending"})).json()
    assert again["payload"]["success"] is True


async def test_labels_and_attributes_are_replaced_and_contact_attributes_merged(twins: Twins) -> None:
    talk = await twins.conversation()
    path = f"/conversations/{talk['id']}"
    await post(twins, path + "/labels", {"labels": ["vip"]}, USER)
    assert (await post(twins, path + "/labels", {"labels": ["lead-quente"]})).json() == {"payload": ["lead-quente"]}
    await post(twins, path + "/custom_attributes", {"custom_attributes": {"a": 1}})
    assert (await post(twins, path + "/custom_attributes", {"custom_attributes": {"b": 2}})).json() == {
        "custom_attributes": {"b": 2}
    }
    contact = talk["meta"]["sender"]["id"]
    for values in ({"a": 1}, {"b": 2}):
        done = await twins.http.put(f"{ACCOUNT}/contacts/{contact}", json={"custom_attributes": values}, headers=USER)
    assert done.json()["payload"]["custom_attributes"] == {"a": 1, "b": 2}


async def test_a_human_in_the_panel_reaches_us_signed(twins: Twins) -> None:
    talk = await twins.conversation()
    await twins.after(seconds=2)
    twins.inbox.clear()
    body = {"conversation_id": talk["id"], "content": "Oi, aqui é a Helena", "assign": True, "status": "open"}
    answer = (await twins.http.post("/chatwoot/_control/human", json=body)).json()
    assert answer["delivery_errors"] == []
    assert [r.json["event"] for r in twins.inbox] == ["conversation_updated", "message_created", "conversation_status_changed"]
    hook = twins.inbox[1]
    stamp = hook.headers["x-chatwoot-timestamp"]
    assert stamp == str(int(twins.world.now.timestamp())), "simulated time"
    assert hook.headers["x-chatwoot-signature"] == chatwoot_state.signature("desk-secret", stamp, hook.body)
    assert hook.json["sender"] == chatwoot_state.USERS[7]
    note = {"conversation_id": talk["id"], "content": "/bot on", "private": True}
    await twins.http.post("/chatwoot/_control/human", json=note)
    assert twins.inbox[-1].json["private"] is True


async def test_one_event_reaches_each_registered_sender_under_its_own_delivery_id(twins: Twins) -> None:
    for source in ("chatwoot_inbox", "chatwoot_bot"):
        twins.world.targets[source] = WebhookTarget(twins.world.targets["chatwoot"].url, "other")
    talk = await twins.conversation()
    await twins.http.post("/chatwoot/_control/human", json={"conversation_id": talk["id"], "content": "oi"})
    hooks = [r for r in twins.inbox if r.json["event"] == "message_created"]
    assert len(hooks) == 3 and len({r.headers["x-chatwoot-delivery"] for r in hooks}) == 3
    assert len({r.json["id"] for r in hooks}) == 1


def test_the_signature_agrees_with_the_published_vector() -> None:
    path = CONTRACTS / "signature_vectors.json"
    if not path.exists():
        pytest.skip("the contract folder is not on this machine")
    vector = json.loads(path.read_text())["chatwoot"]
    made = chatwoot_state.signature(vector["secret"], vector["timestamp"], base64.b64decode(vector["body_b64"]))
    assert made == vector["X-Chatwoot-Signature"]


def test_webhook_shapes_have_the_published_keys() -> None:
    path = CONTRACTS / "chatwoot_webhooks.json"
    if not path.exists():
        pytest.skip("the contract folder is not on this machine")
    fixtures = json.loads(path.read_text())["fixtures"]

    async def shapes() -> tuple[dict[str, object], dict[str, object]]:
        async with running() as twins:
            talk = await twins.conversation()
            await post(twins, f"/conversations/{talk['id']}/messages", {"content": "oi", "message_type": "incoming"}, USER)
            await post(twins, f"/conversations/{talk['id']}/toggle_status", {"status": "open"})
            await twins.after(seconds=2)
            changed = twins.of("chatwoot", event="conversation_status_changed")[0]
            return twins.of("chatwoot", event="message_created")[0], changed

    message, changed = asyncio.run(shapes())
    expected = fixtures["message_created.contact_text"]
    assert set(message) == set(expected)
    for part in ("conversation", "sender", "inbox", "account"):
        assert set(message[part]) == set(expected[part]), part
    assert set(message["conversation"]["meta"]) == set(expected["conversation"]["meta"])
    assert set(changed) == set(fixtures["conversation_status_changed.pending_to_open"])


async def test_message_status_paging_and_refusals(twins: Twins) -> None:
    talk = await twins.conversation()
    path = f"/conversations/{talk['id']}/messages"
    ids = [(await post(twins, path, {"content": f"m{n}"})).json()["id"] for n in range(25)]
    last = (await twins.http.get(ACCOUNT + path, headers=USER)).json()["payload"]
    assert [m["id"] for m in last] == ids[-20:]
    after = (await twins.http.get(ACCOUNT + path, params={"after": ids[3]}, headers=USER)).json()["payload"]
    assert [m["id"] for m in after] == ids[4:]
    before = (await twins.http.get(ACCOUNT + path, params={"before": ids[3]}, headers=USER)).json()["payload"]
    assert [m["id"] for m in before] == ids[:3]
    read = await twins.http.patch(f"{ACCOUNT}{path}/{ids[0]}", json={"status": "read"}, headers=USER)
    assert read.json()["status"] == "read"
    assert (await post(twins, path, {"content": "x", "mesage_type": "incoming"})).status_code == 422
    assert twins.world.refusals[-1].vendor == "chatwoot"
    taken = await twins.http.post(ACCOUNT + "/contacts", json={"inbox_id": 3, "phone_number": "+5544999990000"}, headers=USER)
    assert taken.status_code == 422 and taken.json()["attributes"] == ["phone_number"]


async def test_the_loop_brake_at_200_messages_a_minute(twins: Twins) -> None:
    talk = await twins.conversation()
    state = chatwoot_state.of(twins.world)
    for number in range(200):
        await state.add_message(state.conversations[talk["id"]], f"m{number}", "outgoing", chatwoot_state.BOT)
    answer = await post(twins, f"/conversations/{talk['id']}/messages", {"content": "mais uma"})
    assert answer.status_code == 422 and answer.json()["message"] == "Too many messages"


async def test_an_attachment_is_served_behind_a_redirect(twins: Twins) -> None:
    talk = await twins.conversation()
    made = await twins.http.post(
        f"{ACCOUNT}/conversations/{talk['id']}/messages",
        data={"message_type": "incoming", "is_voice_message": "true"},
        files={"attachments[]": ("voice.ogg", b"OggS...", "audio/ogg")},
        headers=USER,
    )
    (attachment,) = made.json()["attachments"]
    assert attachment["file_type"] == "audio"
    first = await twins.http.get(attachment["data_url"])
    assert first.status_code == 302
    assert (await twins.http.get(attachment["data_url"], follow_redirects=True)).content == b"OggS..."


async def test_chatwoot_sdk_calls_that_work_and_the_two_that_do_not(twins: Twins) -> None:
    async with AsyncChatwootClient(base_url=twins.url + "/chatwoot", api_token=chatwoot_state.USER_TOKEN) as sdk:
        made = await sdk.contacts.create(1, 3, name="Rute", phone_number="+5544999990000", source_id="S1")
        assert made.contact_inbox.source_id == "S1"
        assert [c.id for c in await sdk.contacts.search(1, "+5544999990000")] == [made.contact.id]
        assert (await sdk.contacts.update(1, made.contact.id, name="Rute Lima")).name == "Rute Lima"
        assert (await sdk.contacts.get(1, made.contact.id)).name == "Rute Lima"
        talk = await sdk.conversations.create(1, source_id="S1", inbox_id=3, contact_id=made.contact.id)
        assert (await sdk.messages.create(1, talk.id, "nota", private=True)).private is True
        assert [m.content for m in await sdk.messages.list(1, talk.id)] == ["nota"]
        assert await sdk.conversations.labels.add(1, talk.id, ["vip"]) == ["vip"]
        assert await sdk.conversations.labels.list(1, talk.id) == ["vip"]
        assert [c.id for c in await sdk.conversations.list(1, status="pending")] == [talk.id]
        assert [i.id for i in await sdk.inboxes.list(1)] == [3]
        assert {a.id for a in await sdk.agents.list(1)} == {7, 8}
        assert [t.id for t in await sdk.teams.list(1)] == [2]
        assert (await sdk.conversations.get(1, talk.id)).status == "pending"
        # assignment by PATCH: the server accepts and does nothing, so the twin must too (and notes it)
        await sdk.conversations.assign(1, talk.id, 7)
        assert (await sdk.conversations.get(1, talk.id)).meta.assignee is None
        assert "does nothing" in twins.world.refusals[-1].reason
    async with AsyncChatwootClient(base_url=twins.url + "/chatwoot", api_token=chatwoot_state.BOT_TOKEN) as bot:
        with pytest.raises(ValueError):
            await bot.conversations.toggle_status(1, talk.id, "open")
        assert (await bot.conversations.get(1, talk.id)).status == "open", "it raised after succeeding"


async def test_a_bot_webhook_that_keeps_failing_is_retried_and_opens_the_conversation(twins: Twins) -> None:
    talk = await twins.conversation()
    await twins.after(seconds=2)
    twins.inbox.clear()
    hook = twins.world.targets["chatwoot"].url.replace("chatwoot", "bot")
    twins.world.targets["chatwoot_bot"] = WebhookTarget(hook, "bot-secret")
    twins.answer = 500
    await post(twins, f"/conversations/{talk['id']}/messages", {"content": "oi", "message_type": "incoming"}, USER)
    await twins.after(seconds=5)
    tries = [r for r in twins.inbox if r.source == "bot" and r.json["event"] == "message_created"]
    assert len(tries) == 2 and len({r.headers["x-chatwoot-delivery"] for r in tries}) == 1
    await twins.after(seconds=10)
    assert chatwoot_state.of(twins.world).conversations[talk["id"]].status == "open"
    assert len([r for r in twins.inbox if r.source == "chatwoot" and r.json["event"] == "message_created"]) == 1, "no retry there"
