"""Which vendors there are: one line each. The only room that imports tools.vendors, and it does so when one is needed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal, cast

from tools.ports import WebhookSource

Port = Literal["ads", "messenger", "desk", "crm"]


@dataclass(frozen=True)
class Vendor:
    """One outside service.

    `port` is what it implements (tools.ports), `client` and `webhooks` the "module:Class" below tools.vendors, `section` its
    name under `vendors` in agentos.yaml. `webhooks` is None for a service that sends none we read; its source name is the
    vendor's.
    """

    port: Port
    client: str
    section: str
    webhooks: str | None = None


VENDORS: dict[str, Vendor] = {
    "meta": Vendor("ads", "meta:MetaAds", "meta"),
    "tiktok": Vendor("ads", "tiktok:TikTokAds", "tiktok"),
    "zapi": Vendor("messenger", "zapi:ZApiMessenger", "zapi", "zapi:ZApiWebhooks"),
    "chatwoot": Vendor("desk", "chatwoot:ChatwootDesk", "chatwoot", "chatwoot:ChatwootWebhooks"),
    "piperun": Vendor("crm", "piperun:PipeRunCrm", "piperun"),
}


def vendor(name: str) -> Vendor:
    """The line of a vendor. Raises LookupError naming those that exist."""
    try:
        return VENDORS[name]
    except KeyError:
        raise LookupError(f"vendor {name!r} is not registered; known: {', '.join(sorted(VENDORS))}") from None


def make(name: str, **settings: Any) -> Any:
    """The vendor's client, which implements the port its line names. `settings` are those of its constructor.

    Raises LookupError for an unknown vendor and TypeError for a setting the client does not have.
    """
    return _load(vendor(name).client)(**settings)


def make_webhooks(name: str, **settings: Any) -> WebhookSource:
    """The reader of the vendor's webhooks. Raises LookupError for a vendor that is unknown or sends none."""
    path = vendor(name).webhooks
    if path is None:
        raise LookupError(f"vendor {name!r} sends no webhooks that are read here")
    return cast("WebhookSource", _load(path)(**settings))


def _load(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(f"tools.vendors.{module}"), attribute)
