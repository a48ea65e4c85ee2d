"""How the Graph API encodes money, states and failures. Source: Marketing API v26.0 reference and its currency table."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, cast

from knowledge.domain.campaign import Delivery
from knowledge.domain.money import EXPONENTS, Money
from tools.errors import RateLimited, Refused, Unauthorized, Unavailable, VendorError
from tools.http import Answer
from tools.payload import as_object

VENDOR = "meta"
API_VERSION = "v26.0"

# Meta's own offsets, which are not ISO's: COP, CRC, HUF, IDR and TWD are billed in whole units here. A code in neither row
# is an error, since guessing the offset has multiplied real budgets by a hundred.
OFFSET_1 = frozenset({
    "CLP", "COP", "CRC", "HUF", "IDR", "ISK", "JPY", "KRW", "PYG", "TWD", "VND",
})  # fmt: skip
OFFSET_100 = frozenset({
    "ARS", "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "ILS", "INR", "MXN", "MYR", "NOK",
    "NZD", "PEN", "PHP", "PLN", "RON", "SEK", "SGD", "THB", "TRY", "USD", "UYU", "ZAR",
})  # fmt: skip

EU = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
})  # fmt: skip

RATE_CODES = frozenset({4, 17, 32, 613, 80008, *range(80000, 80007)})
RIGHTS_CODES = frozenset({3, 10, 294, *range(200, 300)})
TRANSIENT_CODES = frozenset({1, 2, 960})
TOO_MUCH_DATA = "too_much_data"

DELIVERY: dict[str, Delivery] = {
    "ACTIVE": "active", "PAUSED": "paused", "CAMPAIGN_PAUSED": "paused", "ADSET_PAUSED": "paused", "PENDING_REVIEW": "in_review",
    "PREAPPROVED": "in_review", "IN_PROCESS": "in_review", "DISAPPROVED": "rejected", "WITH_ISSUES": "with_issues",
    "PENDING_BILLING_INFO": "with_issues", "ARCHIVED": "archived", "DELETED": "archived",
}  # fmt: skip


def offset(currency: str) -> int:
    """Meta's budget units in one major unit of the currency (1 or 100). Raises ValueError for a code Meta's table lacks."""
    if currency in OFFSET_1:
        return 1
    if currency in OFFSET_100:
        return 100
    raise ValueError(f"currency {currency!r} is not in Meta's table; its budgets cannot be encoded safely")


def to_units(money: Money) -> int:
    """A budget as Meta's integer: 50.00 USD -> 5000, 5000 JPY -> 5000, 200000.00 COP -> 200000.

    Raises ValueError for amounts that are not above zero, unknown currencies and fractions that Meta cannot express.
    """
    if money.minor <= 0:
        raise ValueError(f"budget {money}: it must be above zero")
    units = money.amount * offset(money.currency)
    if units != units.to_integral_value():
        raise ValueError(f"budget {money}: Meta takes {money.currency} in whole units only")
    return int(units)


def from_units(units: str | int, currency: str) -> Money:
    """Meta's integer budget as Money. Raises ValueError when it is not a whole number."""
    return Money(minor=int(Decimal(int(units)).scaleb(EXPONENTS[currency]) / offset(currency)), currency=currency)


def money_of(text: str, currency: str) -> Money:
    """A decimal string in major units ("918.75", also "31.020000") as Money, rounded half to even to whole minor units."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise ValueError(f"amount {text!r} is not a decimal number")
    scaled = value.scaleb(EXPONENTS[currency]).to_integral_value(rounding=ROUND_HALF_EVEN)
    return Money(minor=int(scaled), currency=currency)


def marker(key: str) -> str:
    """The mark that an object made under this key carries in its name. Meta has no idempotency key of its own."""
    return f"[k:{hashlib.sha256(key.encode()).hexdigest()[:12]}]"


def proof(token: str, app_secret: str) -> str:
    """appsecret_proof: HMAC-SHA256 of the token under the app secret, hex."""
    return hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()


def encode(params: Mapping[str, Any]) -> dict[str, str]:
    """Form values as Graph wants them: lists and objects as JSON text, booleans as words, absent ones left out."""
    made: dict[str, str] = {}
    for name, value in params.items():
        if value is None:
            continue
        if isinstance(value, bool):
            made[name] = "true" if value else "false"
        elif isinstance(value, (dict, list, tuple)):
            made[name] = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        else:
            made[name] = str(value)
    return made


def translate(answer: Answer, operation: str) -> VendorError | None:
    """Graph's error envelope. None when there is none (the HTTP status then decides)."""
    found = as_object(answer.data).get("error")
    if not isinstance(found, dict):
        return None
    error = cast("dict[str, Any]", found)
    number, subcode = _whole(error.get("code")), _whole(error.get("error_subcode"))
    code = f"{number}/{subcode}" if subcode else str(number)
    said = [str(error.get("message") or "no message")]
    for extra in (error.get("error_user_title"), error.get("error_user_msg")):
        if extra and str(extra) not in said:
            said.append(str(extra))
    detail = "; ".join(said)[:500]
    if "reduce the amount of data" in detail:
        return Refused(VENDOR, operation, detail, TOO_MUCH_DATA)
    if (number, subcode) == (613, 1487632):
        # One ad set's own limit of four changes an hour: the account as a whole may go on writing.
        return Refused(VENDOR, operation, detail, code)
    if number in RATE_CODES:
        return RateLimited(VENDOR, operation, detail, code, retry_after=regain_seconds(answer.headers) or 300.0)
    if number == 368 or (number, subcode) == (190, 459):
        return Refused(VENDOR, operation, f"Meta blocks this action for the account (the token is fine): {detail}", code)
    if number in (102, 104, 190) or number in RIGHTS_CODES:
        return Unauthorized(VENDOR, operation, detail, code)
    if number in TRANSIENT_CODES or error.get("is_transient") is True or answer.status >= 500:
        return Unavailable(VENDOR, operation, detail, code)
    return Refused(VENDOR, operation, detail, code)


def regain_seconds(headers: Mapping[str, str], kind: str | None = None) -> float | None:
    """Seconds until access is regained, from X-Business-Use-Case-Usage (which counts minutes); None when not throttled."""
    text = headers.get("x-business-use-case-usage")
    if not text:
        return None
    try:
        usage: Any = json.loads(text)
    except ValueError:
        return None
    if not isinstance(usage, dict):
        return None
    minutes = 0.0
    for entries in cast("dict[str, Any]", usage).values():
        for entry in cast("list[Any]", entries) if isinstance(entries, list) else []:
            if isinstance(entry, dict):
                one = cast("dict[str, Any]", entry)
                wait = one.get("estimated_time_to_regain_access")
                if isinstance(wait, (int, float)) and (kind is None or one.get("type") == kind):
                    minutes = max(minutes, float(wait))
    return minutes * 60 or None


def rest_after(answer: Answer) -> float | None:
    """For VendorHttp.observe: how long management writes must rest."""
    return regain_seconds(answer.headers, "ads_management")


def issues(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What issues_info says, one line each."""
    made: list[str] = []
    for entry in row.get("issues_info") or ():
        one = cast("dict[str, Any]", entry)
        made.append(": ".join(str(one[name]) for name in ("error_summary", "error_message") if one.get(name)))
    return tuple(made)


def delivery(row: Mapping[str, Any]) -> Delivery:
    """What an object is really doing: effective_status, never the configured one."""
    return DELIVERY.get(str(row.get("effective_status")), "unknown")


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
