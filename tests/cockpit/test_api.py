"""The JSON API: the same decisions as the cockpit, by session or token; who is refused, and how errors say what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from runtime.api import AUDIENCE, DECIDE, PREFIX, READ, make_token
from tests.cockpit.conftest import Visitor
from tests.cockpit.house import PEOPLE, SECRET, House

Call = Callable[..., httpx.Response]


def token(whose: str, *, decide: bool = True, **claims: Any) -> str:
    now = datetime.now(UTC)
    made = make_token(PEOPLE[whose], SECRET, now=now, expires=now + timedelta(hours=1), decide=decide)
    if not claims:
        return made
    return jwt.encode(jwt.decode(made, SECRET, algorithms=["HS256"], audience=AUDIENCE) | claims, SECRET, algorithm="HS256")


@pytest.fixture
def api(house: House) -> Iterator[Call]:
    with httpx.Client(base_url=house.url + PREFIX, timeout=30) as http:

        def call(method: str, path: str, bearer: str | None = None, **more: Any) -> httpx.Response:
            headers = (
                {"Accept-Language": "en"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {}) | more.pop("headers", {})
            )
            return http.request(method, path, headers=headers, **more)

        yield call


def fingerprint(api: Call, action_id: str) -> str:
    return api("GET", f"/actions/{action_id}", token("manager")).json()["fingerprint"]


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body = answer.json()
    assert body["type"] == f"urn:agente-ceo:{kind}" and body["status"] == status
    assert body["detail"] and body["remedy"] and body["instance"].startswith(PREFIX)
    return body


def test_the_queue_says_rule_number_limit_and_who_must_agree(house: House, api: Call) -> None:
    queue = api("GET", "/approvals", token("viewer", decide=False)).json()
    assert [one["id"] for one in queue["pending"]] == [house.ids["budget"], house.ids["pause"]]
    first = queue["pending"][0]
    asked = next(f for f in first["findings"] if f["rule"] == "approval_above")
    assert (asked["measured"], asked["limit"]) == (["change", "+30%"], ["limit", "20%"])
    assert (asked["dial"], asked["ends"]) == ("guardrails.financial.approval_above", None)
    unrun = api("GET", f"/actions/{house.ids['publish']}", token("viewer", decide=False)).json()
    assert any("R$12.67" in remedy for remedy in unrun["remedies"]), unrun["remedies"]
    assert first["changes"][0] == {"label": "Daily budget", "before": "R$42.00", "after": "R$54.60", "change": "+30%"}
    assert first["exposure"] == {"minor": 1512, "currency": "BRL"} and first["quorum"] == 1 and first["votes"] == []
    assert first["last_7_days"]["Spend"].startswith("R$") and first["expected"]["probability"] == "0.93"


STRANGERS: list[tuple[str | None, int, str]] = [
    (None, 401, "signed_out"),
    ("x.y.z", 401, "bad_token"),
    (token("manager", exp=datetime.now(UTC) - timedelta(seconds=1)), 401, "bad_token"),
    (token("manager", aud="somebody-else"), 401, "bad_token"),
    (
        jwt.encode(
            {"sub": PEOPLE["admin"], "aud": AUDIENCE, "exp": 4102444800, "scopes": [DECIDE]},
            "another key of the right length.",
            "HS256",
        ),
        401,
        "bad_token",
    ),
    (jwt.encode({"sub": PEOPLE["admin"], "aud": AUDIENCE, "exp": 4102444800, "scopes": [DECIDE]}, "", "none"), 401, "bad_token"),
    (token("viewer"), 403, "not_allowed"),
    (token("manager", decide=False), 403, "scope_missing"),
    (token("admin", scopes=["agent_os:admin", "agents:*:run", "approvals:write"]), 403, "scope_missing"),
    (token("admin", scopes=f"{DECIDE}"), 403, "scope_missing"),
    (token("admin", sub="media_buyer"), 403, "no_account"),
    (token("admin", sub="agent:media_buyer", role="admin"), 403, "no_account"),
]


def test_nobody_decides_who_is_not_a_manager(house: House, api: Call) -> None:
    shown = fingerprint(api, house.ids["budget"])
    routes = [
        ("POST", f"/approvals/{house.ids['budget']}/approve", {"fingerprint": shown}),
        ("POST", f"/approvals/{house.ids['budget']}/reject", {"reason": "x"}),
        ("POST", f"/approvals/{house.ids['budget']}/withdraw", {"reason": "x"}),
        ("POST", f"/approvals/{house.ids['budget']}/extend", {"hours": 1}),
        ("POST", f"/approvals/{house.ids['budget']}/edit", {"changes": {"daily_budget": {}}, "reason": "x", "fingerprint": shown}),
        ("POST", "/approvals/batch", {"decision": "approve", "items": [{"action_id": house.ids["budget"], "fingerprint": shown}]}),
        ("POST", f"/actions/{house.ids['marca']}/undo", {}),
        ("POST", f"/actions/{house.ids['marca']}/act-early", None),
        ("POST", "/kill", {"scope": "all", "reason": "x"}),
        ("DELETE", f"/kill/{house.ids['marca']}", None),
    ]
    for bearer, status, kind in STRANGERS:
        for method, path, body in routes:
            problem(api(method, path, bearer, json=body), status, kind)
    waiting = [one["id"] for one in api("GET", "/approvals", token("manager")).json()["pending"]]
    assert waiting == [house.ids["budget"], house.ids["pause"]]
    assert api("GET", "/kill", token("manager")).json() == []


def test_yes_is_bound_to_the_arguments_shown(house: House, api: Call) -> None:
    path, manager = f"/approvals/{house.ids['budget']}/approve", token("manager")
    assert problem(api("POST", path, manager, json={}), 422, "wrong_field")["field"] == "fingerprint"
    problem(api("POST", path, manager, json={"fingerprint": "0" * 64}), 409, "other_arguments")
    done = api("POST", path, manager, json={"fingerprint": fingerprint(api, house.ids["budget"])})
    assert (done.status_code, done.json()["ok"], done.json()["status"]) == (200, True, "done")
    assert house.ads["tiktok"].campaigns["x-c-bancada"].daily_budget.minor == 5460
    problem(api("POST", path, manager, json={"fingerprint": fingerprint(api, house.ids["budget"])}), 409, "already_decided")
    page = api("GET", f"/actions/{house.ids['budget']}", manager).json()
    assert page["decided_by"] == f"user:{PEOPLE['manager']}"
    assert "approval.approved" in [step["kind"] for step in page["timeline"]]


def test_an_actor_in_the_body_is_not_listened_to(house: House, api: Call) -> None:
    body = {"reason": "não", "actor": {"kind": "user", "id": PEOPLE["admin"], "role": "admin"}}
    answer = api("POST", f"/approvals/{house.ids['pause']}/reject", token("manager"), json=body)
    assert problem(answer, 422, "wrong_field")["field"] == "actor"


def test_edit_names_the_field_the_rule_and_the_new_request(house: House, api: Call) -> None:
    path, manager = f"/approvals/{house.ids['budget']}", token("manager")
    shown = fingerprint(api, house.ids["budget"])

    def edit(changes: dict[str, Any], verb: str = "edit") -> httpx.Response:
        more = {} if verb == "preview" else {"reason": "menos", "fingerprint": shown}
        return api("POST", f"{path}/{verb}", manager, json={"changes": changes} | more)

    wrong = problem(edit({"campaign_id": "c-marca"}), 422, "edit_field")
    assert wrong["field"] == "campaign_id" and "fields" in wrong["remedy"]
    assert problem(edit({"daily_budget": {"minor": "x", "currency": "BRL"}}), 422, "edit_invalid")["field"] == "daily_budget.minor"
    problem(edit({"daily_budget": {"minor": 5460, "currency": "BRL"}}), 422, "edit_nothing")
    refused = problem(edit({"daily_budget": {"minor": 19000, "currency": "BRL"}}), 422, "edit_refused")
    assert "max_increase" in [f["rule"] for f in refused["findings"]]
    assert {f["answer"] for f in refused["findings"]} == {"refuse"}, "no approval helps against a refusal"
    seen = edit({"daily_budget": {"minor": 19000, "currency": "BRL"}}, "preview").json()
    assert (seen["ok"], seen["status"]) == (False, "refuse")
    assert edit({"daily_budget": {"minor": 5200, "currency": "BRL"}}, "preview").json()["status"] == "ask"
    made = edit({"daily_budget": {"minor": 5200, "currency": "BRL"}}).json()
    assert (made["ok"], made["status"]) == (True, "waiting") and made["action_id"] != house.ids["budget"]
    stands = api("GET", f"/actions/{made['action_id']}", manager).json()
    assert (stands["edited_from"], stands["edited_by"]) == (house.ids["budget"], f"user:{PEOPLE['manager']}") or stands[
        "edited_by"
    ] == PEOPLE["manager"]
    assert api("GET", f"/actions/{house.ids['budget']}", manager).json()["replaced_by"] == made["action_id"]


def test_several_at_once_answer_each_for_itself(house: House, api: Call) -> None:
    items = [
        {"action_id": house.ids["budget"], "fingerprint": "0" * 64},
        {"action_id": house.ids["pause"], "fingerprint": fingerprint(api, house.ids["pause"])},
    ]
    answer = api("POST", "/approvals/batch", token("manager"), json={"decision": "approve", "items": items}).json()
    assert answer["ok"] is False
    assert [one["outcome"]["message"]["id"] for one in answer["results"]] == ["gate.other_arguments", "gate.done"]
    none = api("POST", "/approvals/batch", token("manager"), json={"decision": "reject", "items": items})
    assert problem(none, 422, "reason_missing")["field"] == "reason"


def test_more_time_withdrawal_undo_and_stops(house: House, api: Call) -> None:
    manager = token("manager")
    extended = api("POST", f"/approvals/{house.ids['pause']}/extend", manager, json={"hours": 2})
    assert extended.json()["ok"] and extended.json()["message"]["id"] == "gate.extended"
    problem(api("POST", f"/approvals/{house.ids['pause']}/extend", manager, json={"hours": 500}), 422, "extend_limit")
    assert api("GET", f"/actions/{house.ids['marca']}", manager).json()["verdicts"] == []
    assert (
        api("POST", f"/approvals/{house.ids['pause']}/withdraw", manager, json={"reason": "engano"}).json()["status"] == "cancelled"
    )

    plan = api("GET", f"/actions/{house.ids['marca']}/undo-plan", manager).json()
    assert plan["possible"] and plan["action"]["daily_budget"] == {"minor": 2500, "currency": "BRL"}
    assert api("POST", f"/actions/{house.ids['marca']}/undo", manager, json={"reason": "caro"}).json()["ok"]
    assert house.ads["google"].campaigns["x-c-marca"].daily_budget.minor == 2500
    assert "already" in api("POST", f"/actions/{house.ids['marca']}/undo", manager, json={}).json()["type"]

    for wrong in ({"scope": "campaign"}, {"scope": "all", "target": "meta"}):
        told = problem(api("POST", "/kill", manager, json=wrong | {"reason": "x"}), 422, "kill_target")
        assert told["field"] == "target" and "no target" in told["remedy"] and "takes no target" in told["detail"]
    told = problem(api("POST", "/kill", manager, json={"scope": "platform", "target": "orkut", "reason": "x"}), 422, "kill_unknown")
    assert told["field"] == "target" and "known names" in told["remedy"]
    assert api("POST", "/kill", manager, json={"scope": "all", "reason": "teste"}).json()["status"] == "killed"
    (stop,) = api("GET", "/kill", manager).json()
    assert stop["set_by"] == f"user:{PEOPLE['manager']}"
    assert api("DELETE", f"/kill/{stop['id']}", manager).json()["status"] == "resumed"
    problem(api("DELETE", f"/kill/{stop['id']}", manager), 404, "stop_gone")
    head = api("GET", "/audit/head", manager).json()
    assert head["seq"] > 5 and len(head["hash"]) == 64


NUL = "\x00"


def test_a_stop_is_never_refused_for_what_its_text_holds(house: House, api: Call) -> None:
    manager = token("manager")
    for scope, target, reason in (("all", None, f"{NUL}x"), ("platform", f"me{NUL}ta", NUL), ("platform", "google", "y" * 900)):
        body = {"scope": scope, "reason": reason} | ({"target": target} if target else {})
        answer = api("POST", "/kill", manager, json=body)
        assert (answer.status_code, answer.json()["ok"]) == (200, True), answer.text
    reasons = {stop["target"]: stop["reason"] for stop in api("GET", "/kill", manager).json()}
    assert reasons[None] == "x" and reasons["meta"] and reasons["google"] == "y" * 500


def test_control_characters_reach_no_record(house: House, api: Call) -> None:
    manager, pause, budget = token("manager"), house.ids["pause"], house.ids["budget"]
    for path in (f"/approvals/{pause}/reject", f"/approvals/{pause}/withdraw"):
        assert problem(api("POST", path, manager, json={"reason": f" {NUL}\x1b "}), 422, "wrong_field")["field"] == "reason"
    shown, plain = fingerprint(api, budget), {"Content-Type": "application/json"}
    edit = {"changes": {"daily_budget": {"minor": 5200, "currency": f"BRL{NUL}"}}, "reason": f"{NUL}menos", "fingerprint": shown}
    assert api("POST", f"/approvals/{budget}/edit", manager, json=edit).json()["status"] == "waiting"
    problem(api("POST", "/batches/undo", manager, json={"correlation_id": f"x{NUL}", "reason": NUL}), 404, "not_found")
    rejected = api("POST", f"/approvals/{pause}/reject", manager, content=json.dumps({"reason": f"{NUL}não\ud800"}), headers=plain)
    assert rejected.json()["status"] == "rejected", rejected.text
    assert api("GET", f"/actions/{pause}", manager).json()["decision_reason"] == "não?"
    odd = api("POST", f"/approvals/{pause}/reject", manager, content='{"reason": "x", "\\ud800\\u0000": 1}', headers=plain)
    problem(odd, 422, "wrong_field")


def test_a_fault_nobody_expected_tells_nothing_of_the_inside(house: House, api: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("secret parameters")

    monkeypatch.setattr(house.gate, "reject", broken)
    answer = api("POST", f"/approvals/{house.ids['pause']}/reject", token("manager"), json={"reason": "x"})
    told = problem(answer, 500, "unexpected")
    assert told["title"] == "Unexpected fault"
    assert "secret" not in answer.text and "Traceback" not in answer.text


def test_a_session_needs_its_token_and_our_origin(house: House, visit: Callable[..., Visitor]) -> None:
    http = visit("manager").http
    path = f"{PREFIX}/approvals/{house.ids['pause']}/reject"
    me = http.get(f"{PREFIX}/me").json()
    assert (me["actor"], me["role"]) == (f"user:{PEOPLE['manager']}", "manager")
    problem(http.post(path, json={"reason": "x"}), 403, "csrf")
    other = visit("admin").http.get(f"{PREFIX}/me").json()["csrf"]
    problem(http.post(path, json={"reason": "x"}, headers={"X-CSRF-Token": other}), 403, "csrf")
    good = {"X-CSRF-Token": me["csrf"]}
    problem(http.post(path, json={"reason": "x"}, headers=good | {"Origin": "https://evil.example"}), 403, "foreign_origin")
    problem(http.post(path, json={"reason": "x"}, headers=good | {"Sec-Fetch-Site": "cross-site"}), 403, "foreign_origin")
    # A form of another site cannot send JSON without asking first; sent as a form it is not read.
    assert http.post(path, data={"reason": "x"}, headers=good).status_code == 422
    assert http.post(path, json={"reason": "não"}, headers=good).json()["status"] == "rejected"
    problem(visit("viewer").http.post(path, json={"reason": "x"}), 403, "csrf")


def test_errors_and_documents_of_the_api_itself(house: House, api: Call) -> None:
    manager = token("manager")
    problem(api("GET", "/actions/00000000-0000-0000-0000-000000000000", manager), 404, "not_found")
    assert problem(api("GET", "/actions/none", manager), 422, "wrong_field")["field"] == "action_id"
    problem(api("GET", "/nothing", manager), 404, "route")
    problem(api("POST", "/kill", manager, content=b"x" * 70_000), 413, "too_long")
    schema = api("GET", "/openapi.json").json()
    assert {f"{m.upper()} {p}" for p, methods in schema["paths"].items() for m in methods} >= {
        "GET /approvals", "GET /actions/{action_id}", "GET /actions/{action_id}/undo-plan", "POST /approvals/batch", "POST /kill",
        "DELETE /kill/{kill_id}", "GET /audit/head", "POST /actions/{action_id}/undo", "POST /actions/{action_id}/act-early",
        *(f"POST /approvals/{{action_id}}/{verb}" for verb in ("approve", "reject", "edit", "extend", "withdraw")),
    }  # fmt: skip
    page = api("GET", "/docs")
    assert "POST /api/v1/approvals/{action_id}/approve" in page.text and "script" not in page.headers["content-security-policy"]
    assert READ in schema["info"]["description"]
