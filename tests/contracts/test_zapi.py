"""Z-API: every kind of webhook, and sending over real HTTP against the twin."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vendor_support import assert_event, captured, contract, payload, permitted

from runtime.sandbox import zapi_state
from tools.errors import NoPermit, Refused, Unauthorized, Unavailable, UnknownOutcome
from tools.vendors.zapi import ZApiMessenger, ZApiWebhooks

INSTANCE = "INSTANCIA-DA-LOJA"
PATH_TOKEN = "um-caminho-que-ninguem-adivinha"


@pytest.fixture
def webhooks() -> ZApiWebhooks:
    return ZApiWebhooks(PATH_TOKEN, INSTANCE)


@pytest.mark.parametrize(("body", "events"), captured("zapi"))
def test_each_captured_webhook(webhooks: ZApiWebhooks, body: dict[str, Any], events: list[dict[str, Any]]) -> None:
    parsed = webhooks.parse(json.dumps(body).encode())
    assert len(parsed) == len(events)
    for event, expected in zip(parsed, events, strict=True):
        assert event.source == "zapi"
        assert_event(event, expected)


def test_only_our_path_token_and_our_instance_are_believed(webhooks: ZApiWebhooks) -> None:
    raw = payload("zapi", "text")
    assert webhooks.verify(raw, {}, PATH_TOKEN)
    assert not webhooks.verify(raw, {}, None)
    assert not webhooks.verify(raw, {}, "")
    assert not webhooks.verify(raw, {}, PATH_TOKEN + "x")
    assert not webhooks.verify(raw, {}, "ação")
    assert not webhooks.verify(payload("zapi", "text", instanceId="OUTRA"), {}, PATH_TOKEN)
    assert not webhooks.verify(b"not json", {}, PATH_TOKEN)


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_configured_token_nothing_is_believed(token: str | None) -> None:
    source = ZApiWebhooks(token, INSTANCE)
    assert not source.verify(payload("zapi", "text"), {}, token)
    assert not source.verify(payload("zapi", "text"), {}, "anything")


def test_edits_and_decrypted_texts_are_new_events_and_redeliveries_are_not(webhooks: ZApiWebhooks) -> None:
    def name(**changes: Any) -> str:
        return webhooks.parse(payload("zapi", "text", **changes))[0].dedupe

    assert name() == name()
    whole, waiting, edit = name(), name(waitingMessage=True, text=None), name(isEdit=True)
    second_edit = name(isEdit=True, text={"message": "outra correção"})
    assert len({whole, waiting, edit, second_edit, name(messageId="3EB0OTHER")}) == 5


def test_statuses_of_one_message_are_told_apart(webhooks: ZApiWebhooks) -> None:
    read, delivered = (webhooks.parse(payload("zapi", "statuses", status=word))[0] for word in ("READ", "RECEIVED"))
    assert read.dedupe != delivered.dedupe
    assert (read.data["status"], delivered.data["status"]) == ("read", "delivered")


def test_a_phone_with_and_without_its_ninth_digit_is_one_person(webhooks: ZApiWebhooks) -> None:
    with_it = webhooks.parse(payload("zapi", "text", phone="5544991234567", chatLid=None))[0]
    without = webhooks.parse(payload("zapi", "text", phone="554491234567", chatLid=None))[0]
    assert [one.value for one in with_it.identities] == ["+5544991234567"]
    assert [(one.kind, one.value) for one in without.identities] == [("phone_e164", "+5544991234567"), ("wa_id", "554491234567")]


def test_another_instance_is_refused_and_errors_never_quote_the_lead(webhooks: ZApiWebhooks) -> None:
    with pytest.raises(ValueError, match="instanceId"):
        webhooks.parse(payload("zapi", "text", instanceId="OUTRA"))
    with pytest.raises(ValueError, match="ids") as caught:
        webhooks.parse(payload("zapi", "statuses", ids="segredo-da-dalva"))
    assert "segredo" not in str(caught.value)
    for raw in (b"", b"[]", b"null", b"[" * 100_000, b"\xff\xfe"):
        with pytest.raises(ValueError, match="body"):
            webhooks.parse(raw)


def test_characters_no_database_takes_are_dropped(webhooks: ZApiWebhooks) -> None:
    raw = payload("zapi", "text", text={"message": "or\x00ça\ud800mento"}, senderName="Dal\x00va")
    assert b"\\u0000" in raw and b"\\ud800" in raw
    event = webhooks.parse(raw)[0]
    assert (event.text, event.display_name) == ("orçamento", "Dalva")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
_NAMES = """messageId phone momment fromMe fromApi isEdit waitingMessage text audio image location ids status notification order
contact externalAdReply chatLid senderName buttonsResponseMessage hydratedTemplate error"""
_FIELDS = st.sampled_from(_NAMES.split())


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["ReceivedCallback", "DeliveryCallback", "MessageStatusCallback", "ConnectedCallback", "X"]),
    st.dictionaries(
        _FIELDS | st.text(max_size=5), _JSON | st.dictionaries(_FIELDS | st.just("message"), _JSON, max_size=3), max_size=6
    ),
)
def test_no_object_makes_the_parser_fail_otherwise_than_by_value_error(kind: str, body: dict[str, Any]) -> None:
    try:
        events = ZApiWebhooks(PATH_TOKEN, INSTANCE).parse(json.dumps(body | {"type": kind, "instanceId": INSTANCE}).encode())
    except ValueError:
        return
    for event in events:
        event.model_dump_json()


def test_the_vendors_own_examples_parse() -> None:
    kinds: set[str] = set()
    for cases in contract("zapi_webhook_examples.json")["examples"].values():
        for case in cases:
            body = case["payload"]
            if "type" not in body:
                continue
            for event in ZApiWebhooks("x", body["instanceId"]).parse(json.dumps(body).encode()):
                kinds.add(event.kind)
                assert event.kind != "message" or event.identities
    assert {"message", "echo", "system", "status", "ignored"} <= kinds


# ---- sending, over HTTP
@pytest.fixture
def messenger(sandbox: Any) -> ZApiMessenger:
    return ZApiMessenger(
        f"{sandbox.url}/zapi",
        zapi_state.INSTANCE_ID,
        zapi_state.INSTANCE_TOKEN,
        zapi_state.CLIENT_TOKEN,
        timeout=1.5,
        per_second=50,
    )


async def test_a_text_is_queued_once_and_names_its_message(sandbox: Any, messenger: ZApiMessenger) -> None:
    with permitted():
        message_id = await messenger.send_text("+5544991234567", "Bom dia!", "k1")
    sends = [write for write in sandbox.writes() if write["operation"] == "send-text"]
    assert [write["object_id"] for write in sends] == [message_id]


async def test_nothing_is_sent_outside_the_gate(sandbox: Any, messenger: ZApiMessenger) -> None:
    with pytest.raises(NoPermit):
        await messenger.send_text("+5544991234567", "Bom dia!", "k1")
    assert sandbox.writes() == []


@pytest.mark.parametrize("fault", ["commit_then_drop", "commit_then_500", "commit_then_html_502", "timeout"])
async def test_a_lost_answer_is_unknown_and_is_not_repeated(sandbox: Any, messenger: ZApiMessenger, fault: str) -> None:
    sandbox.fault("send-text", fault, seconds=3.0)
    with permitted(), pytest.raises(UnknownOutcome):
        await messenger.send_text("+5544991234567", "Bom dia!", "k1")
    assert len([write for write in sandbox.writes() if write["operation"] == "send-text"]) == 1


async def test_an_offline_phone_gets_no_queue_to_fire_later(sandbox: Any) -> None:
    zapi_state.of(sandbox.app.state.world).connected = False
    messenger = ZApiMessenger(
        f"{sandbox.url}/zapi", zapi_state.INSTANCE_ID, zapi_state.INSTANCE_TOKEN, zapi_state.CLIENT_TOKEN, per_second=50
    )
    with permitted(), pytest.raises(Unavailable, match="nothing was queued"):
        await messenger.send_text("+5544991234567", "Bom dia!", "k1")
    assert sandbox.writes() == []
    health = await messenger.health()
    assert not health.ok and health.remedy


@pytest.mark.parametrize("to", ["120363000000000001-group", "", "12345", "status@broadcast", "abc", "5544991234567/../x"])
async def test_only_people_are_written_to(sandbox: Any, messenger: ZApiMessenger, to: str) -> None:
    with permitted(), pytest.raises(Refused, match="not a phone"):
        await messenger.send_text(to, "Bom dia!", "k1")


async def test_lid_read_receipt_and_lookup(sandbox: Any, messenger: ZApiMessenger) -> None:
    with permitted():
        await messenger.send_text("70000000000001@lid", "Bom dia!", "k1")
        await messenger.mark_read("+5544991234567", "3EB0C0FFEE")
    assert zapi_state.of(sandbox.app.state.world).read == [{"phone": "5544991234567", "messageId": "3EB0C0FFEE"}]
    found = await messenger.lookup("+5544991234567")
    assert found is not None and found[1] is not None and found[1].endswith("@lid")
    assert (await messenger.health()).ok


async def test_a_wrong_client_token_is_told_and_no_secret_is_logged(sandbox: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    messenger = ZApiMessenger(
        f"{sandbox.url}/zapi", zapi_state.INSTANCE_ID, zapi_state.INSTANCE_TOKEN, "token-errado", per_second=50
    )
    with permitted(), pytest.raises(Unauthorized) as caught:
        await messenger.mark_read("+5544991234567", "A1")
    health = await messenger.health()
    assert not health.ok
    for text in (caplog.text, str(caught.value), health.detail):
        assert zapi_state.INSTANCE_TOKEN not in text and "token-errado" not in text


async def test_what_the_twin_sends_is_what_the_parser_reads(sandbox: Any, messenger: ZApiMessenger) -> None:
    """A send's life as the webhooks tell it: sent, echo, delivered; each named once."""
    twin = zapi_state.of(sandbox.app.state.world)
    heard: list[bytes] = []

    async def listen(body: dict[str, Any]) -> int:
        heard.append(json.dumps(body).encode())
        return 200

    twin.webhook = listen  # type: ignore[method-assign]
    with permitted():
        message_id = await messenger.send_text("+5544991234567", "Bom dia!", "k1")
    sandbox.advance(timedelta(minutes=1))
    source = ZApiWebhooks(PATH_TOKEN, zapi_state.INSTANCE_ID)
    events = [event for raw in heard for event in source.parse(raw)]
    assert {event.external_id for event in events} == {message_id}
    assert [event.kind for event in events] == ["status", "echo", "status", "status"]
    assert [event.data.get("status") for event in events] == ["sent", None, "sent", "delivered"]
    assert len({event.dedupe for event in events}) == 4
