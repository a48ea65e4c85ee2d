"""chatwoot-sdk as a second reader of what our desk wrote, and the reasons why it is not in the desk itself.

When one of the failures below goes away in a newer SDK, that test fails and the desk's choice can be made anew.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from test_chatwoot import LEAD, PHONE, new_desk
from vendor_support import permitted

from runtime.sandbox import chatwoot_state

sdk = pytest.importorskip("chatwoot")


@pytest.fixture
def client(sandbox: Any) -> Any:
    return sdk.ChatwootClient(base_url=f"{sandbox.url}/chatwoot", api_token=chatwoot_state.USER_TOKEN)


async def test_the_sdk_reads_back_what_the_desk_wrote(sandbox: Any, client: Any) -> None:
    desk = new_desk(sandbox)
    with permitted():
        contact, conversation = await desk.ensure_conversation(lead_key=LEAD, name="Dalva", phone=PHONE)
        posted = await desk.post(conversation, "Bom dia!", direction="outgoing", private=False, key="k-1")
        await desk.add_labels(conversation, ["quente"])
        await desk.set_status(conversation, "open")
    account = chatwoot_state.ACCOUNT_ID
    talk = await asyncio.to_thread(client.conversations.get, account_id=account, conversation_id=int(conversation))
    assert talk.status == "open"
    found = await asyncio.to_thread(client.contacts.get, account_id=account, contact_id=int(contact))
    assert (found.identifier, found.phone_number) == (LEAD, PHONE)
    listed = await asyncio.to_thread(client.messages.list, account_id=account, conversation_id=int(conversation))
    assert [(str(message.id), message.content) for message in listed] == [(posted, "Bom dia!")]


async def test_why_not_the_sdk_its_handoff_raises_after_it_has_happened(sandbox: Any) -> None:
    desk = new_desk(sandbox)
    with permitted():
        _, conversation = await desk.ensure_conversation(lead_key=LEAD, name="Dalva", phone=PHONE)
    bot = sdk.ChatwootClient(base_url=f"{sandbox.url}/chatwoot", api_token=chatwoot_state.BOT_TOKEN)
    account = chatwoot_state.ACCOUNT_ID
    with pytest.raises(ValueError):
        await asyncio.to_thread(
            bot.conversations.toggle_status, account_id=account, conversation_id=int(conversation), status="open"
        )
    assert chatwoot_state.of(sandbox.app.state.world).conversations[int(conversation)].status == "open"
