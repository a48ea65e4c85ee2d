"""Who may do what: sessions, roles, forged requests, login limits, headers, static files. No browser needed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from runtime.cockpit import assets
from tests.cockpit.conftest import START, Visitor
from tests.cockpit.house import PASSWORD, PEOPLE, House

Visit = Callable[..., Visitor]


def waiting(house: House) -> int:
    async def count() -> int:
        async with house.database.transaction() as tx:
            return (await tx.conn.execute(text("select count(*) from actions where status = 'waiting'"))).scalar_one()

    return house.run(count)


def test_a_stranger_is_sent_to_the_login(visit: Visit) -> None:
    stranger = visit()
    for path in ("/", "/chat", "/partials?regions=kpis"):
        answer = stranger.http.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert stranger.http.get("/partials?regions=kpis", headers={"HX-Request": "true"}).headers["hx-redirect"] == "/login"


@pytest.mark.parametrize("path", ["/approvals/{budget}/approve", "/approvals/{budget}/reject", "/kill", "/actions/{budget}/undo"])
def test_a_viewer_may_not_decide(house: House, visit: Visit, path: str) -> None:
    viewer = visit("viewer")
    answer = viewer.post(path.format(**house.ids), {"scope": "all", "reason": "x", "fingerprint": "x"})
    assert answer.status_code == 403
    assert "leitura" in answer.text
    assert waiting(house) == 2


def test_a_form_without_its_token_is_refused(house: House, visit: Visit) -> None:
    manager = visit("manager")
    path = f"/approvals/{house.ids['budget']}/approve"
    assert manager.http.post(path, data={}).status_code == 403
    assert manager.http.post(path, data={"csrf": "guess"}).status_code == 403
    assert manager.post(path, {}, Origin="https://evil.example").status_code == 403
    assert manager.post(path, {}, Sec_Fetch_Site="cross-site").status_code == 403
    other = visit("admin")
    assert manager.http.post(path, data={"csrf": other.token()}).status_code == 403
    assert waiting(house) == 2


def test_what_was_shown_is_what_is_approved(house: House, visit: Visit) -> None:
    manager = visit("manager")
    answer = manager.post(
        f"/approvals/{house.ids['budget']}/approve", {"fingerprint": "0" * 64}, HX_Request="true", HX_Current_URL=f"{house.url}/"
    )
    assert "notice-bad" in answer.text
    assert waiting(house) == 2


def test_a_decision_on_a_single_card_leads_to_the_action_as_it_is_now(house: House, visit: Visit) -> None:
    manager = visit("manager")
    place = f"/actions/{house.ids['pause']}"
    headers = {"HX_Request": "true", "HX_Current_URL": house.url + place, "Referer": house.url + place}
    answer = manager.post(f"/approvals/{house.ids['pause']}/reject", {"reason": "não"}, **headers)
    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, place)
    page = manager.http.get(place).text
    assert "notice-good" in page and "Rejeitado: não" in page
    assert waiting(house) == 1


def test_what_is_in_doubt_is_given_up_by_who_has_looked(house: House, visit: Visit) -> None:
    """The answer of a change was lost and the platform cannot say: a manager looks there and ends it, with a reason."""

    async def lost() -> None:
        async with house.database.transaction() as tx:
            await tx.conn.execute(text("update actions set status = 'unknown' where id = :id"), {"id": house.ids["budget"]})
            await tx.conn.execute(text("delete from approvals where action_id = :id"), {"id": house.ids["budget"]})

    house.run(lost)
    at = f"/actions/{house.ids['budget']}"
    assert "/withdraw" not in visit("viewer").http.get(at).text
    manager = visit("manager")
    assert "Encerrar sem nova tentativa" in manager.http.get(at).text
    form = {"reason": "olhei no TikTok: não mudou", "view": "list"}
    assert manager.post(f"/approvals/{house.ids['budget']}/withdraw", form, at=at).status_code == 303
    page = manager.http.get(at).text
    assert "Encerrada por" in page and "olhei no TikTok" in page and "Encerrar sem nova tentativa" not in page


def test_a_rejection_needs_a_reason(house: House, visit: Visit) -> None:
    manager = visit("manager")
    answer = manager.post(
        f"/approvals/{house.ids['pause']}/reject", {"reason": "  "}, HX_Request="true", HX_Current_URL=f"{house.url}/"
    )
    assert answer.status_code == 422
    assert waiting(house) == 2


def test_a_session_ends_by_logout_by_time_and_by_a_new_password(house: House, visit: Visit) -> None:
    first, second = visit("manager"), visit("admin")
    cookie = first.http.cookies["ceo_session"]
    assert first.post("/logout", {}).headers["location"] == "/login"
    assert httpx.get(house.url, cookies={"ceo_session": cookie}).status_code == 303
    assert second.http.get("/").status_code == 200
    house.clock.advance(timedelta(hours=13))
    assert second.http.get("/").status_code == 303


def test_the_database_holds_no_usable_secret(house: House, visit: Visit) -> None:
    manager = visit("manager")
    cookie = manager.http.cookies["ceo_session"]

    async def stored() -> tuple[str, str]:
        async with house.database.transaction() as tx:
            session = (await tx.conn.execute(text("select string_agg(id_hash, ' ') from web_sessions"))).scalar_one()
            users = (await tx.conn.execute(text("select string_agg(password_hash, ' ') from users"))).scalar_one()
            return session, users

    sessions, users = house.run(stored)
    assert cookie not in sessions and hashlib.sha256(cookie.encode()).hexdigest() in sessions
    assert PASSWORD not in users and users.count("$argon2id$") == 3


def test_guessing_is_slowed_and_time_forgives(house: House, visit: Visit) -> None:
    guesser = visit()
    fields = {"email": PEOPLE["manager"], "password": "wrong-password"}
    assert [guesser.post("/login", fields, at="/login").status_code for _ in range(6)] == [401] * 5 + [429]
    right = {"email": PEOPLE["manager"], "password": PASSWORD}
    assert guesser.post("/login", right, at="/login").status_code == 429
    house.clock.advance(timedelta(minutes=16))
    assert guesser.post("/login", right, at="/login").status_code == 303


def test_headers_keep_scripts_and_frames_out(house: House, visit: Visit) -> None:
    manager = visit("manager")
    for path in ("/", "/chat", "/login", "/approvals/none", "/static/cockpit/cockpit.css"):
        headers = manager.http.get(path).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy and "script-src 'self';" in policy and "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
    page = manager.http.get("/").text
    assert re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|=.https?://(?!127)", page) is None
    cookie = next(c for c in manager.http.cookies.jar if c.name == "ceo_session")
    assert cookie.has_nonstandard_attr("HttpOnly") and cookie.get_nonstandard_attr("SameSite") == "lax"


def test_control_characters_in_a_form_are_left_out(house: House, visit: Visit) -> None:
    manager = visit("manager")
    stopped = manager.post("/kill", {"scope": "platform", "target": "meta\x00", "reason": "\x00agora"})
    assert stopped.status_code == 303
    assert manager.post(f"/approvals/{house.ids['pause']}/reject", {"reason": "\x00"}).status_code == 303
    assert manager.post(f"/approvals/{house.ids['pause']}/reject", {"reason": "n\x00ão"}).status_code == 303
    assert manager.post("/chat", {"text": "qual o ROAS\x00?"}, at="/chat").status_code == 303
    page = manager.http.get(f"/actions/{house.ids['pause']}").text
    assert "não" in page and "agora" in manager.http.get("/stops").text


def test_a_fault_nobody_expected_is_a_page_in_words(house: House, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret parameters")

    monkeypatch.setattr(house.gate, "reject", broken)
    answer = visit("manager").post(f"/approvals/{house.ids['pause']}/reject", {"reason": "x"})
    assert answer.status_code == 500 and "inesperado" in answer.text
    assert "secret" not in answer.text and answer.headers["content-security-policy"]


def test_a_grant_is_revoked_on_the_rules_page(house: House, visit: Visit) -> None:
    grant = house.run(lambda: given(house))
    path, manager = f"/autonomy/{grant}/revoke", visit("manager")
    assert path in manager.http.get("/settings").text
    viewer = visit("viewer")
    assert path not in viewer.http.get("/settings").text and viewer.post(path, {"reason": "x"}).status_code == 403
    assert manager.http.post(path, data={"reason": "x"}).status_code == 403, "no token"
    manager.post(path, {"reason": " "})
    assert path in manager.http.get("/settings").text, "a reason is needed"
    assert manager.post("/autonomy/zz/revoke", {"reason": "x"}).status_code == 404
    done = manager.post(path, {"reason": "errou\x00 duas vezes"})
    assert (done.status_code, done.headers["location"]) == (303, "/settings")
    page = manager.http.get("/settings").text
    assert path not in page and "errou duas vezes" in page and "Autonomia revogada" in page
    assert "errou duas vezes" in manager.http.get("/audit?kind=autonomy.").text
    manager.post(path, {"reason": "de novo"})
    assert "já terminou" in manager.http.get("/settings").text


GRANT = "7b1f0c1e-0000-4000-8000-000000000001"


async def given(house: House) -> str:
    """A grant as an approved action leaves it."""
    from datetime import timedelta

    now = house.clock.now()
    async with house.database.transaction() as tx:
        await tx.grants.run(
            "insert into grants (id, workspace, action_kind, level, max_amount_minor, currency, max_change, max_count, action_id,"
            " proposed_by, granted_by, granted_at, expires_at) values (:id, 'default', 'campaign.set_budget', 1, 5000, 'BRL', null, 5,"
            " :action, 'system:autonomy', 'user:dona@loja.example', :now, :until)",
            id=GRANT, action=house.ids["marca"], now=now, until=now + timedelta(days=7),
        )  # fmt: skip
    return GRANT


def test_unknown_records_are_not_found(house: House, visit: Visit) -> None:
    manager = visit("manager")
    for path in ("/approvals/none", "/approvals/00000000-0000-0000-0000-000000000000"):
        assert manager.http.get(path).status_code == 404
    assert manager.post("/approvals/none/approve", {}).status_code == 404
    assert manager.post("/alerts/none/ack", {}).status_code == 404
    assert manager.post("/kill", {"scope": "galaxy"}).status_code == 404
    assert manager.post("/chat", {"text": "x" * 2001}, HX_Request="true", HX_Current_URL=f"{house.url}/").status_code == 422
    assert manager.http.post("/chat", content=b"x" * 70_000).status_code == 413


def test_text_of_others_is_never_markup(house: House, visit: Visit) -> None:
    manager = visit("manager")
    manager.post("/kill", {"scope": "campaign", "target": "<img src=x>", "reason": "auditoria"})
    unknown = manager.http.get("/").text
    assert "&lt;img src=x&gt;" in unknown and "<img" not in unknown
    manager.post("/kill", {"scope": "platform", "target": "Meta", "reason": "<script>alert(1)</script>"})
    page = manager.http.get("/").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page and "<img" not in page


def test_the_live_socket_wants_a_session_and_our_origin(house: House, visit: Visit) -> None:
    cookie = f"ceo_session={visit('manager').http.cookies['ceo_session']}"
    address = house.url.replace("http", "ws") + "/live?last=0"

    def first(headers: dict[str, str], origin: Any) -> str:
        with connect(address, additional_headers=headers, origin=origin) as socket:
            return str(socket.recv(timeout=5))

    assert '"hello"' in first({"Cookie": cookie}, house.url)
    with pytest.raises(InvalidStatus):
        first({"Cookie": cookie}, "https://evil.example")
    with pytest.raises(InvalidStatus):
        first({"Cookie": cookie}, None)
    with pytest.raises(ConnectionClosed) as refused:
        first({}, house.url)
    assert refused.value.rcvd is not None and refused.value.rcvd.code == 4401


def test_the_live_socket_replays_what_was_missed_and_only_that(house: House, visit: Visit) -> None:
    cookie = f"ceo_session={visit('manager').http.cookies['ceo_session']}"
    address = house.url.replace("http", "ws") + "/live?last="

    def told(last: str, count: int) -> list[dict[str, Any]]:
        with connect(
            f"{address}{last}" if last else address.split("?")[0], additional_headers={"Cookie": cookie}, origin=house.url
        ) as socket:  # pyright: ignore
            return [json.loads(socket.recv(timeout=5)) for _ in range(count)]

    newest = told("", 1)[0]["id"]
    house.emit("order.paid", {})
    house.emit("alert.opened", {})
    hello, order, alert = told(str(newest), 3)
    assert (hello["kind"], hello["all"]) == ("hello", False)
    assert (order["kind"], order["regions"]) == ("order.paid", ["kpis", "chart", "campaigns"])
    assert (alert["kind"], alert["id"]) == ("alert.opened", hello["id"])
    assert told(str(newest + 1_000_000), 1)[0]["all"]


def test_under_a_prefix_every_address_and_cookie_stays_there(database_url: str) -> None:
    with House(database_url, START, prefix="/cockpit") as house, httpx.Client(base_url=house.url) as http:
        token = re.search(r'name="csrf" value="([^"]+)"', http.get("/cockpit/login").text)
        assert token is not None
        fields = {"csrf": token[1], "email": PEOPLE["manager"], "password": PASSWORD}
        assert http.post("/cockpit/login", data=fields).headers["location"] == "/cockpit/"
        page = http.get("/cockpit/").text
        assert {
            address
            for address in re.findall(r'(?:href|src|action|hx-post)="(/[^"]*)"', page)
            if not address.startswith("/cockpit/")
        } == set()
        token = re.search(r'name="csrf" value="([^"]+)"', page)
        assert token is not None
        referer = {"Referer": f"{house.url}/cockpit/chat"}
        answer = http.post("/cockpit/locale", data={"csrf": token[1], "locale": "en"}, headers=referer)
        assert answer.headers["location"] == "/cockpit/chat"
        assert {(cookie.name, cookie.path) for cookie in http.cookies.jar if cookie.path != "/cockpit"} == {
            ("ceo_session", "/api/v1")
        }
        assert http.get(re.findall(r'src="([^"]+)"', page)[0]).status_code == 200


def test_static_files_are_named_by_content_and_cached(house: House, visit: Visit) -> None:
    stranger = visit()
    address = re.search(r'href="(/static/cockpit/cockpit\.css\?v=\w+)"', stranger.http.get("/login").text)
    assert address is not None
    answer = stranger.http.get(address[1])
    assert "immutable" in answer.headers["cache-control"] and answer.headers["content-encoding"] == "gzip"
    again = stranger.http.get(address[1], headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert stranger.http.get("/static/cockpit/../app.py").status_code == 404
    assert stranger.http.get("/static/cockpit/vendor/LICENSES.md").status_code == 404


@pytest.mark.parametrize("folder", [assets.STATIC / "vendor", Path(__file__).parent / "vendor"])
def test_vendored_files_are_what_was_vendored(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    named = dict(reversed(line.split()) for line in lines)
    present = {path.name for path in folder.iterdir() if path.suffix in (".js", ".css", ".woff2")}
    assert named.keys() == present
    for name, digest in named.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
