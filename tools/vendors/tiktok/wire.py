"""How the TikTok Business API encodes money, states, tokens and failures. Source: Business API v1.3 and its SDK's models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from knowledge.domain.campaign import Delivery
from knowledge.domain.money import EXPONENTS, Money
from tools.errors import RateLimited, Refused, Unauthorized, Unavailable, VendorError
from tools.http import Answer
from tools.payload import as_object

VENDOR = "tiktok"
ROOT = "/open_api/v1.3"

LIMITED, TRANSIENT = frozenset({40100}), frozenset({40200, 40201, 40202, 40700})
UNAUTHORIZED = frozenset({40001, 40102, 40104, 40105})

AGE_GROUPS = (("AGE_18_24", 18, 24), ("AGE_25_34", 25, 34), ("AGE_35_44", 35, 44), ("AGE_45_54", 45, 54), ("AGE_55_100", 55, 65))

# The first word that occurs in secondary_status decides; the vendor keeps adding values, all built from these.
STATES: tuple[tuple[str, Delivery], ...] = (
    ("DELETE", "archived"),
    ("AUDIT_DENY", "rejected"),
    ("REJECT", "rejected"),
    ("PUNISH", "with_issues"),
    ("EXCEED", "with_issues"),
    ("CONTRACT", "with_issues"),
    ("LIMIT", "with_issues"),
    ("DISABLE", "paused"),
    ("DONE", "paused"),
    ("AUDIT", "in_review"),
    ("NOT_START", "in_review"),
    ("DELIVERY_OK", "active"),
    ("ENABLE", "active"),
)


def delivery(row: Mapping[str, Any]) -> Delivery:
    """What an object is really doing, from secondary_status (operation_status only says what was asked for)."""
    status = str(row.get("secondary_status", ""))
    for word, state in STATES:
        if word in status:
            return state
    return "unknown"


def marker(key: str) -> str:
    """The mark that an object made under this key carries in its name; ads have no idempotency token."""
    return f"[k:{hashlib.sha256(key.encode()).hexdigest()[:12]}]"


def request_id(key: str, step: str) -> str:
    """The idempotency token of one step: the same intent and step always give the same positive int64, as digits."""
    number = int.from_bytes(hashlib.sha256(f"{key}\n{step}".encode()).digest()[:8], "big") >> 1
    return str(max(number, 1))


def to_major(money: Money) -> float:
    """A budget as TikTok's number in major units: 50.00 -> 50.0. Raises ValueError when it is not above zero."""
    if money.minor <= 0:
        raise ValueError(f"budget {money}: it must be above zero")
    return float(money.amount)


def money_of(value: Any, currency: str) -> Money:
    """A number or numeric string in major units as Money, rounded half to even to minor units. Raises ValueError otherwise."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite():
        raise ValueError(f"amount {value!r} is not a number")
    scaled = amount.scaleb(EXPONENTS[currency]).to_integral_value(rounding=ROUND_HALF_EVEN)
    return Money(minor=int(scaled), currency=currency)


def age_groups(age_min: int, age_max: int) -> list[str]:
    """TikTok's age brackets that lie wholly within the range. Raises ValueError when none does."""
    found = [name for name, low, high in AGE_GROUPS if low >= age_min and high <= age_max]
    if not found:
        raise ValueError(f"no TikTok age bracket lies within {age_min}-{age_max} (18-24, 25-34, 35-44, 45-54, 55+)")
    return found


def with_params(url: str, params: Mapping[str, str]) -> str:
    """The URL with these query parameters added; those of the same name are replaced. TikTok's __MACROS__ stay as they are."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in params]
    return urlunsplit(parts._replace(query=urlencode([*kept, *params.items()])))


def query(params: Mapping[str, Any]) -> dict[str, str]:
    """GET parameters: lists and objects as JSON text, absent ones left out."""
    return {
        name: json.dumps(value, separators=(",", ":")) if isinstance(value, (list, dict)) else str(value)
        for name, value in params.items()
        if value is not None
    }


def translator(rest: float) -> Any:
    """The reader of TikTok's envelope, which carries failures in HTTP 200. `rest`: seconds to rest after a rate limit."""

    def translate(answer: Answer, operation: str) -> VendorError | None:
        body = as_object(answer.data)
        code = body.get("code")
        if not isinstance(code, int):
            return Unavailable(VENDOR, operation, "the answer has no code") if answer.ok else None
        if code == 0:
            return None
        detail, text = str(body.get("message") or "no message")[:500], str(code)
        if code in LIMITED:
            return RateLimited(VENDOR, operation, detail, text, retry_after=rest)
        if code in UNAUTHORIZED:
            return Unauthorized(VENDOR, operation, detail, text)
        if code in TRANSIENT or code >= 50000:
            return Unavailable(VENDOR, operation, detail, text)
        return Refused(VENDOR, operation, detail, text)

    return translate


def overall(campaign: Delivery, groups: Iterable[Delivery]) -> Delivery:
    """A campaign's delivery given that of its ad groups: a switched-on campaign whose groups are all refused delivers nothing."""
    found = list(groups)
    if campaign != "active" or not found or "active" in found:
        return campaign
    nearest: tuple[Delivery, ...] = ("in_review", "with_issues", "rejected", "unknown", "paused")
    for state in nearest:
        if state in found:
            return state
    return campaign
