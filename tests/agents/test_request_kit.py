"""The request kit by itself: which request a few words mean, and that only names that were meant are acted on at once."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.agents.desk import FakeRequests
from tools.kits.requests import RequestKit, RequestRow


class Several(FakeRequests):
    """Three requests; one campaign is called like the beginning of another's id."""

    async def requests(self) -> Sequence[RequestRow]:
        (one,) = await super().requests()
        ids = (
            "a2c40000-0000-4000-8000-000000000001",
            "a2c45555-0000-4000-8000-000000000002",
            "cafe1111-0000-4000-8000-000000000003",
        )
        named = (("Promo Verão", "c1"), ("Café", "c2"), ("Faca", "c3"))
        return [
            one.model_copy(
                update={
                    "id": ident,
                    "short": ident[:8],
                    "campaign": name,
                    "campaign_id": own,
                    "at": one.at + timedelta(minutes=number),
                }
            )
            for number, (ident, (name, own)) in enumerate(zip(ids, named, strict=True))
        ]

    async def campaigns(self) -> Sequence[Any]:
        return []


async def answer(desk: FakeRequests, tool: str, **args: Any) -> str:
    return json.loads(await getattr(RequestKit(desk), tool)(**args))["say"]


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("a2c40", [0]),
        ("#a2c45555", [1]),
        ("a2c45555-0000-4000-8000-000000000002", [1]),
        ("A2C4", [0, 1]),
        ("promo verao", [0]),
        ("cafe", [1, 2]),  # a campaign's name and the beginning of an id
        ("cafe1", [2]),
        ("last", [2]),
        ("último", [2]),
        ("last café", [1]),
        ("", [0, 1, 2]),
        ("zzz", []),
        ("'; drop table approvals; --", []),
        ("%", []),
    ],
)
async def test_a_request_is_named_by_id_by_campaign_or_as_the_last(named: str, found: list[int]) -> None:
    desk = Several()
    rows = await desk.requests()
    said = await answer(desk, "approve_request", request=named)
    if len(found) == 1:
        assert [target.id for target in desk.asked[0].targets] == [rows[found[0]].id]
    else:
        assert desk.asked == []
        listed = {n for n, row in enumerate(rows) if row.id in said}
        assert listed == set(found or range(3)), said
    assert desk.performed == []


async def test_a_likeness_is_asked_back_before_a_no() -> None:
    desk = FakeRequests("rejeite a garafa termica porque acabou")
    assert "Garrafa" in await answer(desk, "reject_request", request="garafa termica", reason="acabou")
    assert desk.performed == [] and [plan.command for plan in desk.asked] == ["reject"]
    sure = FakeRequests("rejeite a garrafa térmica porque acabou")
    await answer(sure, "reject_request", request="garrafa térmica", reason="acabou")
    assert [plan.command for plan in sure.performed] == ["reject"]


@pytest.mark.parametrize("amount", ["x", "", "NaN", "1e999", "80.001"])
async def test_nonsense_amounts_ask_for_nothing(amount: str) -> None:
    desk = FakeRequests()
    assert "não é um valor" in await answer(desk, "edit_request", daily_budget=amount)
    assert desk.asked == [] and desk.performed == []


def test_no_argument_of_any_tool_says_yes() -> None:
    from inspect import signature

    tools = {tool.__name__: set(signature(tool).parameters) for tool in RequestKit(FakeRequests()).tools()}
    assert tools["confirm"] == set()
    words = set().union(*tools.values())
    assert words == {"request", "campaign", "reason", "daily_budget", "hours", "change", "where"}
