"""Nothing reaches a vendor except through the gate: every place that could is listed and compared with the one that may."""

from __future__ import annotations

import ast
import inspect

import pytest
from source import ROOT, calls, importers, modules

from tools import ports

WRITES = {
    "AdPlatform": ["publish", "set_daily_budget", "pause", "resume"],
    "Messenger": ["send_text", "mark_read"],
    "Desk": ["ensure_conversation", "post", "set_status", "assign"],
    "Crm": ["upsert_company", "upsert_person", "open_deal", "add_note"],
}
READS = {
    "AdPlatform": ["account", "get_campaign", "list_campaigns", "find_published", "insights", "health"],
    "Messenger": ["health"],
    "Desk": ["messages_after", "health"],
    "Crm": ["find_city", "health"],
}
OTHER_THINGS: dict[tuple[str, str], str] = {
    ("runtime/cli_gate.py", "resume"): "the gate's resume: lifts a kill switch",
    ("runtime/cockpit/forms.py", "resume"): "the gate's resume: lifts a kill switch",
    ("runtime/request_desk.py", "resume"): "the gate's resume: lifts a kill switch",
    ("runtime/api.py", "resume"): "the gate's resume: lifts a kill switch",
    ("runtime/cli.py", "resume"): "cli_gate's resume: lifts a kill switch",
    ("runtime/db/cockpit_accounts.py", "publish"): "a live event for the cockpit",
    ("runtime/db/gate_books.py", "publish"): "a live event for the cockpit",
    ("runtime/jobs/learning.py", "set_status"): "the ledger's own word of a creative",
}
"""Calls that share a name with a vendor's write and are none, each with what it is."""


@pytest.mark.parametrize("port", WRITES)
def test_every_method_of_a_port_is_known_as_read_or_write(port: str) -> None:
    """A new method must be put on one of the lists above, or this test could not see who calls it."""
    methods = [name for name, value in vars(getattr(ports, port)).items() if inspect.isfunction(value) and not name.startswith("_")]
    assert sorted(methods) == sorted(WRITES[port] + READS[port])


def test_only_the_effects_call_a_vendors_write() -> None:
    writes = {name for names in WRITES.values() for name in names}
    found: dict[tuple[str, str], list[int]] = {}
    for path, tree in modules().items():
        if path.startswith(("tools/vendors/", "runtime/sandbox/", "runtime/proof/")):
            continue  # the methods themselves; the twins, which hold no client; the proof, which pulls at the gate and is a platform
        for call in calls(tree):
            if isinstance(call.func, ast.Attribute) and call.func.attr in writes and not _web(call):
                found.setdefault((path, call.func.attr), []).append(call.lineno)
    callers = {key: lines for key, lines in found.items() if key not in OTHER_THINGS}
    assert {path for path, _ in callers} == {"tools/effects.py"}, callers
    assert {name for _, name in callers} == writes - {"assign"}, "every write has its typed action (assign has none yet)"
    assert set(OTHER_THINGS) <= set(found), "an exception that no longer exists must leave the list"


def _web(call: ast.Call) -> bool:
    """`router.post("/path")` and the like: a route of ours, not a desk's post."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "post":
        return False
    owner = call.func.value
    return isinstance(owner, ast.Name) and owner.id in {"router", "app"}


def test_only_the_gate_performs_effects() -> None:
    """`Effects.perform` has one caller, and permits one issuer."""
    performers: set[str] = set()
    issuers: set[str] = set()
    for path, tree in modules().items():
        for call in calls(tree):
            if path in ("runtime/proof/episode.py", "runtime/proof/story.py"):
                continue  # episodes and stories perform their own steps
            if isinstance(call.func, ast.Attribute) and call.func.attr == "perform":
                performers.add(path)
            if ast.unparse(call.func).rpartition(".")[2] in {"use_permit", "Permit"}:
                issuers.add(path)
    assert performers == {"tools/gate/performing.py"}
    assert issuers == {"tools/gate/performing.py"}


def test_only_the_registry_reaches_the_vendors_room() -> None:
    assert {p for p in importers("tools.vendors") if not p.startswith("tools/vendors/")} == set()
    by_name = {
        path
        for path, tree in modules().items()
        if not path.startswith("tools/vendors/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("tools.vendors.")
    }
    assert by_name == {"tools/registry.py"}, "by import or by importlib"


CLIENTS = {"httpx.AsyncClient", "httpx.Client", "AsyncClient", "aiohttp.ClientSession", "requests.Session"}


def test_only_one_file_makes_http_clients() -> None:
    made = {
        path
        for path, tree in modules().items()
        for call in calls(tree)
        if ast.unparse(call.func)
        in {"httpx.AsyncClient", "httpx.Client", "AsyncClient", "aiohttp.ClientSession", "requests.Session"}
    }
    assert {path for path in made if not path.startswith("runtime/sandbox/")} == {"tools/http.py"}


def test_vendors_cannot_send_without_the_shared_client() -> None:
    """A vendor that opened its own connection would pass by permits, limits and redaction."""
    wire = {"httpx", "requests", "urllib.request", "http.client", "aiohttp", "socket", "chatwoot", "facebook_business"}
    who = {w: set(importers(w)) for w in wire}
    users = {p: sorted(w for w in wire if p in who[w]) for p in modules() if p.startswith("tools/vendors/")}
    assert {p: w for p, w in users.items() if w and w != ["httpx"]} == {}
    for path in [p for p, w in users.items() if w == ["httpx"]]:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert "Client(" not in source.replace("VendorClient(", ""), f"{path} may know httpx's types, not make a client"
