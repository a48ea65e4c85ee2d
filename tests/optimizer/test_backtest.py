"""`ceo backtest`: any common export in, decisions with reasons and their worth out; nothing dropped without a word."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runtime.backtest import run
from runtime.backtest.columns import normalised, recognise
from runtime.backtest.reading import Unusable, parse_number, read_export
from runtime.backtest.walk import walk

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
KPIS = SHARED / "marketing_kpis_feb2021.csv"
SEEDS = SHARED / "connector_seeds"
needs_shared = pytest.mark.skipif(not KPIS.exists(), reason="the shared sample exports are not beside this repository")


def write(tmp_path: Path, text: str, name: str = "export.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def answer(path: Path, capsys: pytest.CaptureFixture[str], code: int = 0, **given: Any) -> dict[str, Any]:
    assert run(path, as_json=True, **given) == code
    return json.loads(capsys.readouterr().out)


def days(count: int, header: str = "date,campaign,impressions,clicks,spend,orders,revenue") -> str:
    lines = [header]
    for day in range(1, count + 1):
        lines.append(f"2026-01-{day:02d},good,10000,200,100.00,10,600.00")
        lines.append(f"2026-01-{day:02d},bad,10000,200,100.00,{day % 2},{30 * (day % 2)}.00")
    return "\n".join(lines) + "\n"


def test_finds_the_loser_and_says_what_stopping_it_saves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(write(tmp_path, days(20)), capsys, currency="brl")
    pause = next(d for d in found["decisions"] if d["action"] == "pause")
    assert (pause["campaign"], pause["to"]) == ("bad", 0.0)
    effect = pause["effect"]
    assert 0 < effect["low"] < effect["estimate"] < effect["high"]
    assert effect["currency"] == "BRL"
    assert "margin 0.4" in effect["basis"]
    assert all(d["campaign"] != "good" or d["to"] > d["from"] for d in found["decisions"])
    assert found["totals"]["effect"]["estimate"] > 0
    assert found["totals"]["observed"]["spend"] == 4000.0
    assert found["rows"] == {"read": 40, "used": 40, "bad": []}


def test_effects_of_single_decisions_add_up_to_the_total(tmp_path: Path) -> None:
    export = read_export(write(tmp_path, days(25)))
    result = walk(export, strategy="bayes", policy=None, margin=0.4)
    single = sum(d["effect"]["estimate"] or 0.0 for d in result.decisions)
    assert single == pytest.approx(result.totals["effect"]["estimate"], abs=0.02 * len(result.decisions) + 0.01)


def test_never_sees_the_future(tmp_path: Path) -> None:
    """Whatever comes later, the decisions of the first days stay the same to the last digit."""
    short = walk(read_export(write(tmp_path, days(9), "a.csv")), strategy="bayes", policy=None, margin=0.4)
    whole = days(9) + "".join(
        f"2026-01-{d:02d},{c},9000,300,500,{n},{n * 90}\n" for d in range(10, 25) for c, n in (("good", 0), ("bad", 80))
    )
    long = walk(read_export(write(tmp_path, whole, "b.csv")), strategy="bayes", policy=None, margin=0.4)

    def early(decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{k: v for k, v in d.items() if k != "effect"} for d in decisions if d["day"] <= "2026-01-09"]

    assert early(short.decisions) == early(long.decisions)
    assert early(short.decisions)


@pytest.mark.parametrize(
    ("bad", "column", "reason"),
    [
        ("2026-01-21,good,10000,200,-5,1,10", "spend", "negative"),
        ("2026-01-21,good,10000,200,abc,1,10", "spend", "not a number"),
        (",good,10000,200,5,1,10", "date", "missing date"),
        ("2026-02-31,good,10000,200,5,1,10", "date", "not a date"),
        ("2026-01-21,good,100,200,5,1,10", "clicks", "more clicks than impressions"),
        ("2026-01-20,good,10000,200,5,1,10", None, "duplicate: line 40"),
        ("2026-01-21,good,10000,200,5,-,10", "orders", "no value"),
        ("2026-01-21,,10000,200,5,1,10", "campaign", "missing campaign"),
        ("2026-01-21,good,10000,200,5,1", None, "6 cells where the header has 7"),
        ("2026-01-21,good,10000,200,nan,1,10", "spend", "no value"),
        ("2026-01-21,good,10000,200,inf,1,10", "spend", "not a number"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: str, column: str | None, reason: str
) -> None:
    found = answer(write(tmp_path, days(20) + bad + "\n"), capsys)
    assert found["rows"]["read"] == 41
    assert found["rows"]["used"] == 40
    entry = found["rows"]["bad"][0]
    assert (entry["line"], entry["column"]) == (42, column)
    assert entry["reason"].startswith(reason)
    assert any("1 of 41 rows were left out" in caveat for caveat in found["caveats"])


def test_brazilian_headers_numbers_and_dates(tmp_path: Path) -> None:
    text = (
        "Data;Campanha;Impressões;Cliques;Gasto (BRL);Pedidos;Receita\n"
        "31/01/2026;Verão;1.234;56;R$ 1.234,56;3;4.567,80\n01/02/2026;Verão;999;10;12,5;0;0\n"
    )
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16"):
        export = read_export(write(tmp_path, text, encoding=encoding))
        first, second = export.rows
        assert (first.day.isoformat(), first.spend, first.revenue, first.impressions) == ("2026-01-31", 1234.56, 4567.8, 1234)
        assert (second.day.isoformat(), second.spend, export.currency) == ("2026-02-01", 12.5, "BRL")


def test_google_api_names_micros_and_segments(tmp_path: Path) -> None:
    header = (
        "segments.date,campaign.id,campaign.name,segments.device,metrics.impressions,metrics.clicks,metrics.cost_micros,"
        "metrics.conversions,metrics.conversions_value"
    )
    text = header + "\n2026-01-01,7,Brand,MOBILE,100,5,36150000,1,90\n2026-01-01,7,Brand,DESKTOP,100,5,10000,0,0\n"
    export = read_export(write(tmp_path, text))
    assert [row.spend for row in export.rows] == [36.15, 0.01]
    assert {row.campaign for row in export.rows} == {"Brand"}


def test_meta_api_rows_and_ads_manager_exports(tmp_path: Path) -> None:
    actions = '"[{""action_type"": ""link_click"", ""value"": ""9""}, {""action_type"": ""omni_purchase"", ""value"": ""2""}]"'
    values = '"[{""action_type"": ""omni_purchase"", ""value"": ""199.80""}]"'
    text = (
        "date_start,date_stop,campaign_id,campaign_name,impressions,inline_link_clicks,clicks,spend,actions,action_values,account_currency\n"
        f"2026-01-01,2026-01-01,11,A,1000,9,30,12.34,{actions},{values},BRL\n2026-01-02,2026-01-02,11,A,900,5,9,10,,,BRL\n"
    )
    export = read_export(write(tmp_path, text))
    first, second = export.rows
    assert (first.clicks, first.conversions, first.revenue, second.conversions) == (9, 2, 199.8, 0)
    assert export.currency == "BRL"
    manager = (
        "Reporting starts,Campaign name,Impressions,Link clicks,Amount spent (USD),Purchases,Purchase ROAS (return on ad spend)\n"
        "2026-01-01,A,1000,9,100.00,2,2.5\n2026-01-02,A,1000,9,50.00,,\n"
    )
    export = read_export(write(tmp_path, manager))
    assert [row.revenue for row in export.rows] == [250.0, 0.0]
    assert export.currency == "USD"


def test_title_lines_above_the_header_and_tabs(tmp_path: Path) -> None:
    text = "Campaign report\nJanuary 2026\n" + days(3).replace(",", "\t")
    export = read_export(write(tmp_path, text, encoding="utf-16"))
    assert len(export.rows) == 6
    assert export.rows[0].line == 4


def test_typos_in_headers_are_guessed_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(write(tmp_path, days(3, "date,campaing,impresions,clicks,spend,orders,revenu")), capsys)
    assert found["columns"]["campaign"] == "campaing"
    assert found["columns"]["revenue"] == "revenu"
    assert any('"revenu" was taken for revenue' in caveat for caveat in found["caveats"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("a,b\n1,2\n", "Needed"),
        ("date,campaign,spend\n2026-01-01,a,5\n", "Missing conversions"),
        ("date,campaign,spend,orders,revenue\n2026-01-01,a,-5,1,1\n", "none of 1 rows is usable (line 2, spend: negative)"),
        ("date,campaign,spend,orders,revenue,currency\n2026-01-01,a,5,1,1,BRL\n2026-01-02,a,5,1,1,USD\n", "More than one currency"),
    ],
)
def test_unusable_files_say_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str) -> None:
    path = write(tmp_path, text)
    assert says in answer(path, capsys, code=2)["error"]
    screen = Console(file=io.StringIO(), width=200)
    assert run(path, as_json=False, console=screen) == 2


def test_bad_parameters_are_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, days(3))
    assert "margin" in answer(path, capsys, code=2, margin=0.0)["error"]
    assert "luck" in answer(path, capsys, code=2, strategy="luck")["error"]
    assert "nowhere" in answer(tmp_path / "nowhere.csv", capsys, code=2)["error"]


def test_people_see_decisions_reasons_totals_and_caveats(tmp_path: Path) -> None:
    screen = Console(file=io.StringIO(), width=220)
    assert run(write(tmp_path, days(20) + "x,good,1,1,1,1,1\n"), as_json=False, console=screen) == 0
    text = screen.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    for part in ("not a date", "Pause bad", "90 % interval", "Counterfactual", "not an experiment", "42"):
        assert part in text


def test_a_file_without_clicks_or_campaigns_still_works(tmp_path: Path) -> None:
    text = "data;gasto;receita;pedidos\n" + "".join(f"{d:02d}/01/2026;100,00;20,00;1\n" for d in range(1, 21))
    result = walk(read_export(write(tmp_path, text)), strategy="bayes", policy=None, margin=0.4)
    assert any(d["action"] == "pause" for d in result.decisions)
    assert any("no clicks" in caveat for caveat in result.caveats)


def test_numbers_of_both_styles() -> None:
    assert parse_number("1.234,56", comma=True) == 1234.56
    assert parse_number("R$ 1.234", comma=True) == 1234
    assert parse_number("1,234.5", comma=False) == 1234.5
    assert parse_number("-3", comma=False) == -3
    assert parse_number("12.34", comma=True) is None
    assert parse_number("1e3", comma=False) == 1000
    for text in ("", "abc", "1,2,3", "--", "."):
        assert parse_number(text, comma=False) is None


def test_header_names_are_matched_however_written() -> None:
    assert normalised(" Mark_Spent (USD) ") == "markspent"
    columns = recognise(["ID", "C Date", "Campaign Name", "Campaign ID", "Mark Spent", "Orders", "Revenue", "Ro Mi"])
    assert columns.mapping["campaign_id"] == "Campaign ID"
    assert columns.missing == []
    assert "Ro Mi" not in columns.mapping.values()


@needs_shared
def test_the_real_export_as_a_command() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "runtime.backtest", str(KPIS), "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["rows"]["read"], found["rows"]["used"], found["days"]["campaigns"]) == (308, 308, 11)
    assert found["columns"]["date"] == "C Date"
    assert any(d["campaign"] == "facebook_lal" and d["action"] == "pause" for d in found["decisions"])
    assert not any(d["campaign"] == "youtube_blogger" and d["action"] == "pause" for d in found["decisions"])
    assert all(d["reason"] for d in found["decisions"])
    assert found["totals"]["effect"]["low"] > 0


@needs_shared
@pytest.mark.parametrize("strategy", ["thresholds", "framework"])
def test_the_real_export_under_the_other_strategies(strategy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(KPIS, capsys, strategy=strategy)["decisions"]


@needs_shared
def test_connector_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    google = answer(SEEDS / "google__campaign_stats_data.csv", capsys)
    assert google["totals"]["observed"]["spend"] == pytest.approx(231.33, abs=0.5)
    assert any("no order at all" in caveat for caveat in google["caveats"])
    tiktok = answer(SEEDS / "tiktok__tiktok_campaign_report_hourly_data.csv", capsys)
    assert tiktok["columns"]["revenue"] == "TOTAL_PURCHASE_VALUE"
    assert tiktok["columns"]["conversions"] == "CONVERSION"
    basic = answer(SEEDS / "facebook__facebook_ads_basic_ad_data.csv", capsys, code=2)
    assert "conversions" in basic["error"] and "revenue" in basic["error"] and "delivery half" in basic["error"]
    actions = answer(SEEDS / "facebook__facebook_ads_basic_ad_actions_data.csv", capsys, code=2)
    assert "spend" in actions["error"] and "actions half" in actions["error"]


def test_unusable_is_a_value_error() -> None:
    assert issubclass(Unusable, ValueError)
