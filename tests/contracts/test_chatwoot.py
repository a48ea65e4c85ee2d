"""Chatwoot: who wrote what, signatures, and the desk over real HTTP against the twin."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vendor_support import Recorder, assert_event, captured, contract, departures, payload, permitted

from knowledge.domain.clock import SettableClock
from runtime.sandbox import chatwoot_state
from tools.errors import RateLimited, Refused, UnknownOutcome
from tools.vendors.chatwoot import ChatwootDesk, ChatwootWebhooks

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LEAD = "lead-7f3a"
PHONE = "+5544991234567"


def webhooks(*secrets: str, **options: Any) -> ChatwootWebhooks:
    return ChatwootWebhooks(secrets, clock=SettableClock(NOW), **options)


def signed(raw: bytes, secret: str = "s-1", at: datetime = NOW) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + raw, hashlib.sha256).hexdigest()
    return {"X-Chatwoot-Signature": f"sha256={digest}", "X-Chatwoot-Timestamp": stamp}


@pytest.mark.parametrize(("body", "events"), captured("chatwoot"))
def test_each_captured_webhook(body: dict[str, Any], events: list[dict[str, Any]]) -> None:
    parsed = webhooks("s-1").parse(json.dumps(body).encode())
    assert len(parsed) == len(events)
    for event, expected in zip(parsed, events, strict=True):
        assert_event(event, expected)


# ---- signatures
def test_timestamp_and_raw_body_are_signed_by_any_of_our_secrets() -> None:
    source = webhooks("s-1", "s-2")
    raw = '{"content":"orçamento ✅"}'.encode()
    assert source.verify(raw, signed(raw), None)
    assert source.verify(raw, signed(raw, "s-2"), None)
    assert source.verify(raw, {name.lower(): value for name, value in signed(raw).items()}, None)
    assert not source.verify(raw, signed(raw, "s-3"), None)
    assert not source.verify(raw + b" ", signed(raw), None)
    only_body = "sha256=" + hmac.new(b"s-1", raw, hashlib.sha256).hexdigest()
    assert not source.verify(raw, signed(raw) | {"X-Chatwoot-Signature": only_body}, None)
    assert not source.verify(raw, {}, None)


@pytest.mark.parametrize(("seconds", "believed"), [(0, True), (299, True), (-299, True), (301, False), (-301, False)])
def test_a_replay_is_refused_after_five_minutes(seconds: int, believed: bool) -> None:
    assert webhooks("s-1").verify(b"{}", signed(b"{}", at=NOW - timedelta(seconds=seconds)), None) is believed


@pytest.mark.parametrize("stamp", ["", "now", "-1", "1e9", "²", "9" * 30])
def test_odd_timestamps_are_refused(stamp: str) -> None:
    assert not webhooks("s-1").verify(b"{}", signed(b"{}") | {"X-Chatwoot-Timestamp": stamp}, None)


def test_without_a_secret_nothing_is_believed() -> None:
    assert not webhooks().verify(b"{}", signed(b"{}", ""), None)
    assert not webhooks("").verify(b"{}", signed(b"{}", ""), None)
    assert not webhooks(require_signature=False).verify(b"{}", {}, None)


def test_an_unsigned_server_needs_the_path_token() -> None:
    source = webhooks("s-1", require_signature=False, path_token="trilha")
    assert source.verify(b"{}", {}, "trilha")
    assert not source.verify(b"{}", {}, "atalho")
    assert not source.verify(b"{}", signed(b"{}", "s-3"), "trilha"), "a wrong signature is never excused"
    assert not webhooks("s-1", path_token="trilha").verify(b"{}", {}, "trilha"), "signatures are required by default"


def test_the_published_signature_vector() -> None:
    vector = contract("signature_vectors.json")["chatwoot"]
    at = datetime.fromtimestamp(int(vector["timestamp"]), UTC)
    source = ChatwootWebhooks([vector["secret"]], clock=SettableClock(at))
    headers = {"X-Chatwoot-Signature": vector["X-Chatwoot-Signature"], "X-Chatwoot-Timestamp": vector["timestamp"]}
    assert source.verify(base64.b64decode(vector["body_b64"]), headers, None)


# ---- parsing
def test_the_same_message_from_three_senders_has_one_name() -> None:
    source = webhooks("s-1")
    later = json.loads(payload("chatwoot", "lead"))
    later["conversation"]["status"] = "open"
    later["conversation"]["messages"] = []
    names = {source.parse(raw)[0].dedupe for raw in (payload("chatwoot", "lead"), json.dumps(later).encode())}
    assert len(names) == 1
    assert source.parse(payload("chatwoot", "lead", id=502))[0].dedupe not in names


def test_two_real_flips_are_two_events_and_a_copy_is_not() -> None:
    source = webhooks("s-1")

    def name(at: str) -> str:
        changed = [{"status": {"previous_value": "pending", "current_value": "open"}}, {"updated_at": {"current_value": at}}]
        return source.parse(payload("chatwoot", "opened", changed_attributes=changed, updated_at=at[-3:]))[0].dedupe

    assert name("2026-11-21T12:00:00.000Z") == name("2026-11-21T12:00:00.000Z")
    assert name("2026-11-21T12:00:00.000Z") != name("2026-11-21T12:07:00.000Z")


def test_a_message_of_our_outbox_never_counts_as_a_human() -> None:
    assert webhooks("s-1").parse(payload("chatwoot", "human"))[0].kind == "human_message"
    assert webhooks("s-1", own_message_ids={"501"}).parse(payload("chatwoot", "human"))[0].kind == "echo"


def test_private_text_never_stands_where_relays_look() -> None:
    for name in ("note", "command", "bot_note_with_slash"):
        assert webhooks("s-1").parse(payload("chatwoot", name))[0].text is None


def test_another_account_is_refused_and_errors_never_quote_the_body() -> None:
    with pytest.raises(ValueError, match=r"account\.id"):
        webhooks("s-1", account_id="1").parse(payload("chatwoot", "lead"))
    with pytest.raises(ValueError, match="conversation") as caught:
        webhooks("s-1").parse(payload("chatwoot", "lead", conversation="segredo"))
    assert "segredo" not in str(caught.value)
    for raw in (b"", b"[1]", b'"x"', b"{}"):
        with pytest.raises(ValueError):
            webhooks("s-1").parse(raw)


_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=4)
_NAMES = """id content message_type private source_id created_at sender content_attributes additional_attributes attachments
conversation account meta status changed_attributes updated_at"""
_OBJECT = st.dictionaries(st.sampled_from(_NAMES.split()), _JSON, max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["message_created", "message_updated", "conversation_status_changed", "conversation_updated", "x"]),
    st.dictionaries(st.sampled_from(_NAMES.split()), _JSON | _OBJECT, max_size=8),
)
def test_no_object_makes_the_parser_fail_otherwise_than_by_value_error(event: str, body: dict[str, Any]) -> None:
    try:
        events = webhooks("s-1").parse(json.dumps({"event": event, "id": 1, "conversation": {"id": 2}} | body).encode())
    except ValueError:
        return
    for found in events:
        found.model_dump_json()


def test_the_contracts_own_fixtures_parse() -> None:
    expected = {"contact_text": "message", "human_user": "human_message", "private_note": "command", "automation_rule": "ignored"}
    expected |= {"campaign": "ignored", "pending_to_open": "owner", "labels": "ignored", "conversation_typing_on": "ignored"}
    for name, body in contract("chatwoot_webhooks.json")["fixtures"].items():
        kind = webhooks("s-1").parse(json.dumps(body).encode())[0].kind
        assert kind == expected[name.rpartition(".")[2]], name


# ---- the desk, over HTTP
@pytest.fixture
def desk(sandbox: Any) -> ChatwootDesk:
    return new_desk(sandbox)


def new_desk(sandbox: Any, **options: Any) -> ChatwootDesk:
    return ChatwootDesk(
        f"{sandbox.url}/chatwoot", account_id=str(chatwoot_state.ACCOUNT_ID), inbox_id=str(chatwoot_state.INBOX_ID), timeout=2.0,
        per_second=50, **{"bot_token": chatwoot_state.BOT_TOKEN, "user_token": chatwoot_state.USER_TOKEN} | options,
    )  # fmt: skip


def state(sandbox: Any) -> chatwoot_state.Chatwoot:
    return chatwoot_state.of(sandbox.app.state.world)


def made(sandbox: Any, operation: str) -> int:
    return sum(write["operation"] == operation for write in sandbox.writes())


async def test_a_lead_has_one_contact_and_one_conversation(sandbox: Any, desk: ChatwootDesk) -> None:
    with permitted():
        first = await desk.ensure_conversation(lead_key=LEAD, name="Dalva", phone="554491234567")
        second = await desk.ensure_conversation(lead_key=LEAD, name="Dalva M.", phone=PHONE)
    assert first == second
    contact = state(sandbox).contacts[int(first[0])]
    assert (contact.identifier, contact.phone_number) == (LEAD, PHONE)
    assert state(sandbox).conversations[int(first[1])].status == "pending"
    assert (made(sandbox, "contact.create"), made(sandbox, "conversation.create")) == (1, 1)


async def test_a_lead_without_phone_gets_a_contact_too(sandbox: Any, desk: ChatwootDesk) -> None:
    with permitted():
        assert await desk.ensure_conversation(lead_key=LEAD, name=None, phone=None) == (
            await desk.ensure_conversation(lead_key=LEAD, name=None, phone=None)
        )


@pytest.mark.parametrize("known_as", [PHONE, "+554491234567"])
async def test_a_contact_known_by_phone_is_adopted(sandbox: Any, desk: ChatwootDesk, known_as: str) -> None:
    contact = state(sandbox).add_contact(None, None, name="Dalva", phone_number=known_as)
    with permitted():
        found, _ = await desk.ensure_conversation(lead_key=LEAD, name="Dalva", phone=PHONE)
    assert found == str(contact.id)
    assert contact.identifier == LEAD


@pytest.mark.parametrize("phone", ["(44) 99123-4567", "44991234567", "554491234567", PHONE])
async def test_a_phone_is_stored_in_one_spelling(sandbox: Any, desk: ChatwootDesk, phone: str) -> None:
    with permitted():
        contact, _ = await desk.ensure_conversation(lead_key=LEAD, name="Dalva", phone=phone)
    assert state(sandbox).contacts[int(contact)].phone_number == PHONE


async def test_a_contact_made_meanwhile_is_taken_over(sandbox: Any, desk: ChatwootDesk) -> None:
    with permitted():
        found = await asyncio.gather(*(desk.ensure_conversation(lead_key=LEAD, name="Dalva", phone=PHONE) for _ in range(2)))
    assert len({contact for contact, _ in found}) == 1
    assert made(sandbox, "contact.create") == 1


@pytest.mark.parametrize("match", ["POST .*/contacts$", "POST .*/conversations$"])
async def test_a_lost_answer_leaves_no_second_contact_or_conversation(sandbox: Any, desk: ChatwootDesk, match: str) -> None:
    sandbox.fault(match, "commit_then_drop")
    with permitted():
        with pytest.raises(UnknownOutcome):
            await desk.ensure_conversation(lead_key=LEAD, name="Dalva", phone=PHONE)
        await desk.ensure_conversation(lead_key=LEAD, name="Dalva", phone=PHONE)
    assert (made(sandbox, "contact.create"), made(sandbox, "conversation.create")) == (1, 1)


async def conversation(desk: ChatwootDesk) -> str:
    with permitted():
        return (await desk.ensure_conversation(lead_key=LEAD, name="Dalva", phone=PHONE))[1]


@pytest.mark.parametrize("fault", ["commit_then_500", "commit_then_drop"])
async def test_a_message_is_found_by_its_key_before_it_is_posted_again(sandbox: Any, desk: ChatwootDesk, fault: str) -> None:
    number = await conversation(desk)
    sandbox.fault("POST .*/messages", fault)
    with permitted():
        with pytest.raises(UnknownOutcome):
            await desk.post(number, "Bom dia!", direction="outgoing", private=False, key="k-1")
        for other in range(25):  # the retry may come after more talk than one page holds
            await desk.post(number, f"linha {other}", direction="incoming", private=False, key=f"other-{other}")
        first = await desk.post(number, "Bom dia!", direction="outgoing", private=False, key="k-1")
        assert first == await desk.post(number, "Bom dia!", direction="outgoing", private=False, key="k-1")
        assert first != await desk.post(number, "Bom dia!", direction="outgoing", private=False, key="k-2")
    texts = [message.content for message in state(sandbox).of_conversation(int(number))]
    assert texts.count("Bom dia!") == 2


async def test_what_we_write_comes_back_as_an_echo_and_what_a_human_writes_does_not(sandbox: Any, desk: ChatwootDesk) -> None:
    number = await conversation(desk)
    with permitted():
        await desk.post(number, "Quero uma coifa", direction="incoming", private=False, key="k-1")
        ours = await desk.post(number, "Claro!", direction="outgoing", private=False, key="k-2")
        await desk.post(number, "resumo do lead", direction="outgoing", private=True, key="k-3")
    twin = state(sandbox)
    talk = twin.conversations[int(number)]
    await twin.add_message(talk, "Oi, aqui é a Helena", "outgoing", chatwoot_state.USERS[7])
    await twin.add_message(talk, "/bot off", "outgoing", chatwoot_state.USERS[7], private=True)
    polled = await desk.messages_after(number, None)
    assert [event.kind for event in polled] == ["echo", "echo", "echo", "human_message", "command"]
    assert [event.kind for event in await desk.messages_after(number, ours)] == ["echo", "human_message", "command"]
    assert polled[3].data["by"] == "Helena Prado" and polled[4].data["args"] == ["off"]
    source = webhooks("s-1")
    for message, event in zip(twin.of_conversation(int(number)), polled, strict=True):
        heard = source.parse(json.dumps({**twin.webhook_message(message), "event": "message_created"}).encode())[0]
        assert (heard.kind, heard.dedupe, heard.identities) == (event.kind, event.dedupe, event.identities)


@pytest.mark.parametrize(
    ("words", "kind"),
    [("/bot on", "command"), (" /BOT  Off ", "command"), ("/resumo", "command"), ("/bot", "human_message"), ("/bot on já", "human_message"),
     ("use o /bot on", "human_message"), ("/resumo\n", "command")],
)  # fmt: skip
async def test_a_command_that_was_not_written_as_a_note_is_still_no_message(
    sandbox: Any, desk: ChatwootDesk, words: str, kind: str
) -> None:
    number = await conversation(desk)
    twin = state(sandbox)
    await twin.add_message(twin.conversations[int(number)], words, "outgoing", chatwoot_state.USERS[7])
    (event,) = await desk.messages_after(number, None)
    assert event.kind == kind and (event.text is None) is (kind == "command")


async def test_the_poll_reads_past_a_full_page(sandbox: Any, desk: ChatwootDesk) -> None:
    number = await conversation(desk)
    twin = state(sandbox)
    for line in range(130):
        await twin.add_message(twin.conversations[int(number)], f"{line}", "outgoing", chatwoot_state.USERS[7])
    assert [event.text for event in await desk.messages_after(number, None)] == [str(line) for line in range(130)]


async def test_handoff_and_back_write_only_what_changes(sandbox: Any, desk: ChatwootDesk) -> None:
    number = await conversation(desk)
    with permitted():
        for status in ("open", "open", "pending", "resolved"):
            await desk.set_status(number, status)
            assert state(sandbox).conversations[int(number)].status == status
        with pytest.raises(ValueError, match="status"):
            await desk.set_status(number, "closed")
    assert made(sandbox, "conversation.toggle_status") == 3


async def test_labels_and_attributes_of_others_stay(sandbox: Any, desk: ChatwootDesk) -> None:
    number = await conversation(desk)
    talk = state(sandbox).conversations[int(number)]
    talk.labels, talk.custom_attributes = ["vip"], {"canal": "feira"}
    with permitted():
        assert await desk.add_labels(number, ["quente", "vip"]) == ["vip", "quente"]
        await desk.add_labels(number, ["quente"])
        assert await desk.set_attributes(number, {"uf": "PR"}) == {"canal": "feira", "uf": "PR"}
    assert (talk.labels, talk.custom_attributes) == (["vip", "quente"], {"canal": "feira", "uf": "PR"})
    assert made(sandbox, "conversation.labels") == 1


async def test_assignment_to_user_team_and_bot(sandbox: Any, desk: ChatwootDesk) -> None:
    number = await conversation(desk)
    talk = state(sandbox).conversations[int(number)]
    with permitted():
        await desk.assign(number, assignee="7", team="2")
        assert talk.assignee is not None and talk.team is not None
        assert (talk.assignee["id"], talk.team["id"]) == (7, 2)
        await desk.assign(number, assignee="bot:4")
        assert talk.assignee == chatwoot_state.BOT
        with pytest.raises(ValueError, match="assignee"):
            await desk.assign(number)


async def test_refusals_say_what_the_server_said(sandbox: Any, desk: ChatwootDesk) -> None:
    number = await conversation(desk)
    with permitted():
        with pytest.raises(Refused, match="could not be found"):
            await desk.set_status("99999", "open")
        with pytest.raises(Refused, match="display id"):
            await desk.set_status("../1", "open")
        sandbox.fault("POST .*/messages", "rate_limit")
        with pytest.raises(RateLimited):
            await desk.post(number, "Bom dia!", direction="outgoing", private=False, key="k-1")


async def test_health_tells_which_of_the_two_tokens_is_wrong(sandbox: Any, desk: ChatwootDesk) -> None:
    assert (await desk.health()).ok
    user = await new_desk(sandbox, user_token="errado").health()
    bot = await new_desk(sandbox, bot_token="errado").health()
    assert not user.ok and user.detail.startswith("user token")
    assert not bot.ok and bot.detail.startswith("bot token")
    assert "errado" not in user.detail + bot.detail


async def test_no_request_of_the_desk_surprises_the_server(sandbox: Any, desk: ChatwootDesk) -> None:
    number = await conversation(desk)
    with permitted():
        await desk.post(number, "Bom dia!", direction="outgoing", private=False, key="k-1")
        await desk.set_status(number, "open")
        await desk.assign(number, assignee="7")
        await desk.add_labels(number, ["quente"])
        await desk.messages_after(number, None)
    assert sandbox.book()["refusals"] == []


async def test_every_request_is_in_the_servers_openapi(sandbox: Any) -> None:
    api = contract("chatwoot-4.15.1-application.swagger.json")
    recorder = Recorder()
    desk = new_desk(sandbox, transport=recorder)
    number = await conversation(desk)
    with permitted():
        await desk.post(number, "Bom dia!", direction="outgoing", private=True, key="k-1")
        await desk.set_status(number, "open")
        await desk.assign(number, assignee="bot:4", team="2")
        await desk.add_labels(number, ["quente"])
        await desk.set_attributes(number, {"uf": "PR"})
        await desk.messages_after(number, None)
    await desk.health()
    assert len(recorder.seen) > 12
    # Two that the server reads (message_builder.rb, conversations_controller.rb) and its document leaves out.
    undocumented = ("?after", "?before", ".source_id", ".echo_id", ".assignee_type")
    assert [one for one in departures(recorder.seen, api, "/chatwoot") if not one.endswith(undocumented)] == []
