"""Who may read and write what, asked of the database in each role (spec O1)."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from runtime.db import engine

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
PEOPLE = ("leads", "contact_identities", "conversations", "messages", "orders", "orcamentos", "empresa", "consents", "actions")
INNER = ("webhook_events", "inbound_events", "crm_links", "users", "web_sessions", "login_attempts", "chat_messages", "live_events")
BUSINESS = ("campaigns", "products", "creatives", "ad_sets", "ads", "analytics", "approvals", "alerts", "decisions", "blacklist")
SPECIFIED = (
    "leads", "contact_identities", "conversations", "messages", "webhook_events", "orcamentos", "empresa", "products",
    "creatives", "campaigns", "ad_sets", "ads", "analytics", "orders", "actions", "approvals", "audit_log", "alerts", "blacklist",
)  # fmt: skip

As = Callable[..., None]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """One campaign, one lead with an order, an audited action; as the owner."""
    with psycopg.connect(engine.libpq_url(database_url), autocommit=True) as c:
        c.execute(
            "insert into campaigns (id, platform, name, status, created_at) values ('c1', 'meta', 'One', 'active', %s)", (NOW,)
        )
        c.execute(
            "insert into leads (id, name, phone, created_at, updated_at)"
            " values ('00000000-0000-0000-0000-000000000001', 'Ana', '+5511999990000', %s, %s)",
            (NOW, NOW),
        )
        c.execute(
            "insert into orders (id, source, external_id, lead_id, value_minor, currency, status, ordered_at, received_at)"
            " values ('o1', 'shopify', '1', '00000000-0000-0000-0000-000000000001', 100, 'BRL', 'paid', %s, %s)",
            (NOW, NOW),
        )
        c.execute(
            "insert into audit_log (seq, at, kind, actor, payload, payload_text, prev_hash, hash)"
            " values (1, %s, 'kill.set', 'user:m', '{}', '{}', '', 'h1')",
            (NOW,),
        )
        c.execute("refresh materialized view mv_campaign_performance")
        yield c


def count(c: psycopg.Connection[Any], table: str, role: str, claim: str | None = None) -> int:
    """Rows that a role sees, with an optional app_metadata role in its token. Raises what the database raises."""
    with c.transaction():
        c.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        if claim is not None:
            claims = json.dumps({"sub": "u1", "app_metadata": {"role": claim}, "user_metadata": {"role": "admin"}})
            c.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        row = c.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return row[0]


def tables(c: psycopg.Connection[Any]) -> dict[str, bool]:
    rows = c.execute(
        "select relname, relrowsecurity from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
    )
    return dict(rows.fetchall())


def test_every_table_of_the_specification_exists_and_every_table_has_row_security(connection: psycopg.Connection[Any]) -> None:
    found = tables(connection)
    assert set(SPECIFIED) <= set(found)
    assert [name for name, secured in found.items() if not secured] == []


def test_every_table_has_a_policy_for_the_service_and_none_for_anon(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute("select tablename, roles::text[], cmd from pg_policies where schemaname = 'public'").fetchall()
    served = {table for table, roles, cmd in rows if roles == ["service_role"] and cmd == "ALL"}
    assert served == set(tables(connection))
    assert all(set(roles) <= {"authenticated", "service_role"} for _, roles, _ in rows)
    assert all(cmd == "SELECT" for _, roles, cmd in rows if "authenticated" in roles)


def test_anon_is_denied_every_table(connection: psycopg.Connection[Any]) -> None:
    for table in tables(connection):
        with pytest.raises(errors.InsufficientPrivilege):
            count(connection, table, "anon")


@pytest.mark.parametrize("table", BUSINESS)
def test_a_viewer_may_read_business_tables(connection: psycopg.Connection[Any], table: str) -> None:
    assert count(connection, table, "authenticated", "viewer") == (1 if table == "campaigns" else 0)


@pytest.mark.parametrize("claim", ["viewer", "manager", "admin", "superuser", None])
def test_people_are_seen_by_managers_and_admins_only(connection: psycopg.Connection[Any], claim: str | None) -> None:
    expected = 1 if claim in ("manager", "admin") else 0
    assert count(connection, "leads", "authenticated", claim) == expected
    assert count(connection, "orders", "authenticated", claim) == expected


def test_a_token_without_a_known_role_sees_nothing_and_cannot_give_itself_one(connection: psycopg.Connection[Any]) -> None:
    for claim in (None, "", "owner"):  # user_metadata, which users write themselves, says "admin" in each
        for table in ("campaigns", "leads", "audit_log"):
            assert count(connection, table, "authenticated", claim) == 0


def test_the_audit_log_is_for_admins(connection: psycopg.Connection[Any]) -> None:
    assert [count(connection, "audit_log", "authenticated", claim) for claim in ("viewer", "manager", "admin")] == [0, 0, 1]


@pytest.mark.parametrize("table", INNER)
def test_the_machines_own_tables_are_closed_to_every_manager(connection: psycopg.Connection[Any], table: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        count(connection, table, "authenticated", "admin")


def test_nobody_with_a_token_writes_anything(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute(
        """select c.relname from pg_class c, unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as p
           where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'm')
             and (has_table_privilege('authenticated', c.oid, p) or has_table_privilege('anon', c.oid, p))"""
    ).fetchall()
    assert rows == []
    with pytest.raises(errors.InsufficientPrivilege), connection.transaction():
        connection.execute("set local role authenticated")
        connection.execute("""select set_config('request.jwt.claims', '{"app_metadata": {"role": "admin"}}', true)""")
        connection.execute("update campaigns set status = 'paused'")


def test_the_service_reads_and_writes_every_table_but_the_audit_log(connection: psycopg.Connection[Any]) -> None:
    for table in tables(connection):
        assert count(connection, table, "service_role") in (0, 1)
    with connection.transaction():
        connection.execute("set local role service_role")
        assert connection.execute("update campaigns set status = 'paused' where id = 'c1'").rowcount == 1
        connection.execute("insert into live_events (at, kind, payload) values (%s, 'x', '{}')", (NOW,))
        connection.execute("delete from orders")
    with pytest.raises(errors.InsufficientPrivilege), connection.transaction():
        connection.execute("set local role service_role")
        connection.execute("update audit_log set kind = 'x'")


@pytest.mark.parametrize("view", ["mv_campaign_performance", "mv_daily_metrics"])
@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_materialised_views_which_row_security_does_not_cover_are_closed(
    connection: psycopg.Connection[Any], view: str, role: str
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        count(connection, view, role, "admin")


@pytest.mark.parametrize("statement", ["update audit_log set actor = 'x'", "delete from audit_log", "truncate audit_log"])
def test_not_even_the_owner_changes_the_audit_log(connection: psycopg.Connection[Any], statement: str) -> None:
    with pytest.raises(errors.RestrictViolation, match="append-only"):
        connection.execute(statement)  # pyright: ignore[reportArgumentType,reportCallIssue]
    row = connection.execute("select actor from audit_log").fetchone()
    assert row == ("user:m",)


def test_a_table_made_later_by_the_same_user_is_not_open_to_tokens(connection: psycopg.Connection[Any]) -> None:
    connection.execute("create table later (id int)")
    for role in ("anon", "authenticated"):
        with pytest.raises(errors.InsufficientPrivilege):
            count(connection, "later", role, "admin")
