"""How the Graph API speaks: parameters on the wire, error envelopes, cursors. No advertising in here."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from fastapi.responses import JSONResponse

from runtime.sandbox.words import words

VERSION = "v26.0"
LIVE_VERSIONS = ("v24.0", "v25.0", "v26.0")

COMMON_PARAMS = words("""
access_token appsecret_proof fields summary limit after before pretty method locale date_format format debug
suppress_http_code
""")


class GraphError(Exception):
    """A refusal in Meta's envelope. `unknown` marks what the vendor has no name for: such requests are noted as refusals."""

    def __init__(
        self, message: str, code: int = 100, subcode: int | None = None, *, http: int = 400, kind: str = "OAuthException",
        title: str | None = None, blame: str | None = None, transient: bool = False, unknown: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.http = http
        self.unknown = unknown
        self.body: dict[str, Any] = {"message": message, "type": kind, "code": code, "is_transient": transient}
        if subcode is not None:
            self.body["error_subcode"] = subcode
        if title is not None:
            self.body |= {"error_user_title": title, "error_user_msg": message}
        if blame is not None:
            self.body["error_data"] = json.dumps({"blame_field_specs": [[blame]]})
        self.body["fbtrace_id"] = "A" + base64.b32encode(f"{code}{subcode}{message}".encode()).decode()[:20]

    def response(self) -> JSONResponse:
        """The HTTP answer."""
        return JSONResponse({"error": self.body}, self.http, {"facebook-api-version": VERSION})


def invalid(name: str, why: str, subcode: int = 1487390) -> GraphError:
    """Code 100 with the parameter to blame."""
    return GraphError(f"Invalid parameter: {name}: {why}", 100, subcode, title="Invalid parameter", blame=name)


def missing(name: str) -> GraphError:
    """Code 100 for a required parameter that is not there."""
    return GraphError(f"(#100) The parameter {name} is required", 100, blame=name)


def not_found(method: str, ident: str) -> GraphError:
    """Meta says the same for what does not exist and for what you may not see."""
    return GraphError(
        f"Unsupported {method.lower()} request. Object with ID '{ident}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation. Please read the Graph API documentation",
        100, 33, kind="GraphMethodException",
    )  # fmt: skip


@dataclass
class Call:
    """One Graph request: query and form merged, values still text."""

    method: str
    version: str
    path: list[str]
    params: dict[str, str]
    files: dict[str, bytes] = field(default_factory=dict)
    base: str = ""

    def only(self, *allowed: str | frozenset[str]) -> None:
        """Refuses every parameter that this edge has no name for."""
        names: set[str] = set(COMMON_PARAMS)
        for entry in allowed:
            names |= set(entry.split()) if isinstance(entry, str) else entry
        for name in self.params:
            if name not in names:
                raise GraphError(
                    f"(#100) Tried accessing nonexisting parameter ({name}) on edge /{'/'.join(self.path)}", unknown=True
                )

    def text(self, name: str) -> str | None:
        """A parameter as it came; None when absent."""
        return self.params.get(name)

    def need(self, name: str) -> str:
        """A parameter that must be there and not be empty."""
        value = self.params.get(name)
        if value is None or value == "":
            raise missing(name)
        return value

    def choice(self, name: str, allowed: tuple[str, ...] | frozenset[str], default: str | None = None) -> str | None:
        """An enum value."""
        value = self.params.get(name)
        if value is None:
            return default
        if value not in allowed:
            raise GraphError(
                f"(#100) Param {name} must be one of {{{', '.join(sorted(allowed))}}} - got unexpected value: {value}",
                100,
                blame=name,
            )
        return value

    def whole(self, name: str) -> int | None:
        """An unsigned integer. Meta takes no decimals here: 50.00 is a refusal, not fifty."""
        value = self.params.get(name)
        if value is None:
            return None
        if not re.fullmatch(r"\d+", value.strip('"')):
            raise GraphError(f"(#100) Param {name} must be an integer greater than or equal to zero", 100, blame=name)
        return int(value.strip('"'))

    def flag(self, name: str) -> bool | None:
        """A boolean written true/false/1/0."""
        value = self.params.get(name)
        if value is None:
            return None
        if value.lower() not in ("true", "false", "1", "0"):
            raise GraphError(f"(#100) Param {name} must be a boolean", 100, blame=name)
        return value.lower() in ("true", "1")

    def json(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """A JSON-encoded list or object; None when absent."""
        value = self.params.get(name)
        if value is None:
            return None
        try:
            made = json.loads(value)
        except ValueError:
            raise GraphError(f"(#100) Param {name} must be valid JSON", 100, blame=name) from None
        if not isinstance(made, kind):
            wanted = "an array" if kind is list else "an object"
            raise GraphError(f"(#100) Param {name} must be {wanted}", 100, blame=name)
        return made

    def words(self, name: str) -> list[str] | None:
        """A list of names, as JSON or comma separated."""
        value = self.params.get(name)
        if value is None:
            return None
        if value.lstrip().startswith("["):
            return [str(item) for item in self.json(name, list)]
        return [item.strip() for item in split_top(value) if item.strip()]


def split_top(text: str) -> list[str]:
    """Splits on commas outside braces: "id,creative{id,name}" -> ["id", "creative{id,name}"]."""
    parts, depth, current = [], 0, ""
    for char in text:
        depth += (char in "{(") - (char in "})")
        if char == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += char
    return [*parts, current]


def _inside(text: str) -> list[str] | None:
    return split_top(text.removesuffix("}")) if text else None


def pick(
    row: dict[str, Any], fields: list[str] | None, valid: frozenset[str], node: str, nested: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The requested fields of a node (id always). Unknown names are refused; known but empty ones are absent, as Graph does."""
    made: dict[str, Any] = {}
    for entry in fields or []:
        name, _, inner = entry.partition("{")
        if name not in valid:
            raise GraphError(f"(#100) Tried accessing nonexisting field ({name}) on node type ({node})", unknown=True)
        opener = (nested or {}).get(name)
        value = opener(_inside(inner)) if opener else row.get(name)
        if value is not None:
            made[name] = value
    if "id" in row:
        made["id"] = row["id"]
    return made


def cursor(position: int) -> str:
    """An opaque cursor for a list position."""
    return base64.urlsafe_b64encode(f"c{position}".encode()).decode().rstrip("=")


def position(text: str) -> int:
    """The list position of a cursor. Raises GraphError on a cursor of somebody else's."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        return int(raw.removeprefix("c"))
    except ValueError:
        raise GraphError("(#100) Invalid cursors values", 100) from None


def page(call: Call, rows: list[Any], default: int = 25) -> dict[str, Any]:
    """One page: `cursors` on every page that has rows, `next` only when more follows."""
    limit = call.whole("limit")
    limit = default if limit is None else max(1, min(limit, 5000))
    start = position(call.params["after"]) if call.params.get("after") else 0
    if call.params.get("before"):
        start = max(0, position(call.params["before"]) - limit)
    part = rows[start : start + limit]
    answer: dict[str, Any] = {"data": part}
    if part:
        links: dict[str, Any] = {"cursors": {"before": cursor(start), "after": cursor(start + len(part))}}
        answer["paging"] = links
        if start + limit < len(rows):
            kept = {name: value for name, value in call.params.items() if name not in ("after", "before", "appsecret_proof")}
            query = urlencode({**kept, "after": cursor(start + len(part))})
            links["next"] = f"{call.base}/{call.version}/{'/'.join(call.path)}?{query}"
    if call.flag("summary"):
        answer["summary"] = {"total_count": len(rows)}
    return answer


def matches(row: dict[str, Any], rule: dict[str, Any], names: dict[str, str]) -> bool:
    """Whether a row passes one `filtering` rule {field, operator, value}. `names` maps the vendor's filter names to row keys."""
    wanted, operator, value = rule.get("field"), str(rule.get("operator", "")).upper(), rule.get("value")
    if set(rule) - {"field", "operator", "value"}:
        raise GraphError("(#100) Param filtering has an unknown key", 100, unknown=True)
    if not isinstance(wanted, str) or wanted not in names:
        raise GraphError(f"(#100) Filtering field {wanted} is invalid", 100, 1815001, unknown=True)
    have = row.get(names[wanted])
    if operator in ("IN", "NOT_IN"):
        if not isinstance(value, list):
            raise GraphError("(#100) Filtering with IN needs a list", 100)
        found = str(have) in {str(item) for item in value}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        return found == (operator == "IN")
    if operator in ("CONTAIN", "NOT_CONTAIN"):
        return (str(value).lower() in str(have or "").lower()) == (operator == "CONTAIN")
    if operator in ("EQUAL", "NOT_EQUAL"):
        return (str(have) == str(value)) == (operator == "EQUAL")
    if operator in ("GREATER_THAN", "LESS_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN_OR_EQUAL"):
        left, right = float(have or 0), float(value) if value is not None else 0.0
        equal = operator.endswith("EQUAL") and left == right
        return equal or (left > right if operator.startswith("GREATER") else left < right)
    raise GraphError(f"(#100) Filtering operator {operator} is invalid", 100, unknown=True)
