"""The other half of the one promise: what the books do for several at once, and for processes that die."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from knowledge.domain.action import Action, MarkRead, ResumeCampaign
from knowledge.domain.books import ActionRecord, Busy, GateTx, Status
from tests.conftest import START
from tests.gate.books_pair import Shelf, a_kill, look, put, record, status, waits
from tests.gate.house import budget, pause, publication

RESUME = ResumeCampaign(platform="meta", campaign_id="pia-meta")
MESSAGE = MarkRead(conversation_id="talk", external_id="w1")


# -- at the same time ---------------------------------------------------------------------------------------------------------


async def test_what_is_not_committed_is_not_seen(shelf: Shelf) -> None:
    action = record(budget("130"), "k1")
    async with shelf.books.transaction() as tx:
        await tx.insert(action, None)
        await tx.add_kill(a_kill("platform", "meta"))
        assert await tx.action(action.id) is not None
        assert await look(shelf, lambda other: other.action(action.id)) is None
        assert await look(shelf, lambda other: other.action_by_key("k1")) is None
        assert await look(shelf, lambda other: other.kills()) == ()
    assert await look(shelf, lambda tx: tx.action(action.id)) is not None


@pytest.mark.parametrize("fails", [False, True])
async def test_the_second_of_two_changes_waits_for_the_first(shelf: Shelf, fails: bool) -> None:
    action = await put(shelf, record(budget("130"), "k1"))

    async def claim() -> bool:
        return await look(shelf, lambda tx: tx.claim(action.id, "authorised", executor="second", attempts=1, at=START))

    second = None
    try:
        async with shelf.books.transaction() as tx:
            assert await tx.claim(action.id, "authorised", executor="first", attempts=1, at=START)
            second = asyncio.create_task(claim())
            assert await waits(second)
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert second is not None
    assert await second is fails
    found = await look(shelf, lambda tx: tx.action(action.id))
    assert found.executor == ("second" if fails else "first")


@pytest.mark.parametrize("fails", [False, True])
async def test_the_same_key_at_once_is_one_action(shelf: Shelf, fails: bool) -> None:
    first, other = record(budget("130"), "k1"), record(budget("150"), "k1")

    async def insert() -> bool:
        return await look(shelf, lambda tx: tx.insert(other, None))

    second = None
    try:
        async with shelf.books.transaction() as tx:
            assert await tx.insert(first, None)
            second = asyncio.create_task(insert())
            assert await waits(second)
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert second is not None
    assert await second is fails
    assert (await look(shelf, lambda tx: tx.action_by_key("k1"))).action == (other if fails else first).action


async def _locks(tx: GateTx, what: str, action: ActionRecord) -> None:
    if what == "budget":
        await tx.lock_budget("default")
    elif what == "action":
        await tx.action(action.id, lock=True)
    elif what == "ticket":
        await tx.ticket(action.id, lock=True)
    else:
        await tx.audit("x", "user:x", START, {})


@pytest.mark.parametrize("what", ["budget", "action", "ticket", "audit"])
async def test_a_lock_is_held_to_the_end(shelf: Shelf, what: str) -> None:
    action = await put(shelf, record(budget("130"), "k1", "waiting"), ticket=True)

    async with shelf.books.transaction() as tx:
        await _locks(tx, what, action)
        await _locks(tx, what, action)  # who has it does not wait for itself
        second = asyncio.create_task(look(shelf, lambda other: _locks(other, what, action)))
        assert await waits(second)
        await look(shelf, lambda other: other.lock_budget("another workspace"))
        await look(shelf, lambda other: other.action(action.id))  # reading waits for nobody
    await asyncio.wait_for(second, 5)


async def test_who_waits_in_a_circle_is_told(shelf: Shelf) -> None:
    one, two = await put(shelf, record(budget("1"), "k1")), await put(shelf, record(budget("2"), "k2"))
    met = asyncio.Barrier(2)

    async def both(first: ActionRecord, second: ActionRecord) -> bool:
        try:
            async with shelf.books.transaction() as tx:
                await tx.action(first.id, lock=True)
                await met.wait()
                await tx.action(second.id, lock=True)
        except Exception as error:
            assert "deadlock" in f"{type(error).__name__} {error}".lower()
            return False
        return True

    assert sorted(await asyncio.gather(both(one, two), both(two, one))) == [False, True]


# -- processes ----------------------------------------------------------------------------------------------------------------


async def test_what_a_dead_process_left_is_found(shelf: Shelf) -> None:
    living, dying, me = await shelf.worker(), await shelf.worker(), await shelf.worker()
    of: dict[str, str] = {}
    for number, (name, worker) in enumerate((("living", living), ("dying", dying), ("mine", me), ("lost", dying))):
        action = await put(shelf, record(budget("130", f"c-{name}"), name, at=START + timedelta(seconds=number)))
        started = START + timedelta(seconds=number)
        await look(
            shelf,
            lambda tx, action=action, worker=worker, started=started: tx.claim(
                action.id, "authorised", executor=worker, attempts=1, at=started
            ),
        )
        of[action.id] = name
    lost = record(budget("130", "c-lost"), "lost").id
    await look(shelf, lambda tx: tx.change(lost, "executing", "unknown"))
    fresh = await put(shelf, record(budget("130"), "fresh", at=START + timedelta(minutes=5)))
    of[fresh.id] = "fresh"

    async def stranded(minutes: float) -> list[str]:
        found = await look(shelf, lambda tx: tx.stranded(me, START + timedelta(minutes=minutes)))
        return [of[ident] for ident in found]

    assert await look(shelf, lambda tx: tx.executor_alive(dying))
    assert await stranded(5) == ["mine", "lost"]
    await shelf.dies(dying)
    assert not await look(shelf, lambda tx: tx.executor_alive(dying))
    assert await look(shelf, lambda tx: tx.executor_alive(living))
    assert await stranded(5) == ["dying", "mine", "lost"]
    assert await stranded(7) == ["dying", "mine", "lost", "fresh"]


# -- one write of a campaign at a time ----------------------------------------------------------------------------------------


async def claim(shelf: Shelf, action: ActionRecord, worker: str = "w") -> bool:
    return await look(shelf, lambda tx: tx.claim(action.id, "authorised", executor=worker, attempts=1, at=START))


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize("first, second", [(budget("110"), budget("120")), (pause(), RESUME), (RESUME, RESUME)])
async def test_a_second_write_of_the_same_thing_waits(shelf: Shelf, first: Action, second: Action) -> None:
    one, other = await put(shelf, record(first, "k1")), await put(shelf, record(second, "k2", at=later(1)))
    assert await claim(shelf, one)
    with pytest.raises(Busy):
        await claim(shelf, other)
    assert await status(shelf, other.id) == "authorised"
    await look(shelf, lambda tx: tx.change(one.id, "executing", "done", result={}, closed_at=later(2)))
    assert await claim(shelf, other)
    found = await look(shelf, lambda tx: tx.action(other.id))
    assert (found.status, found.executor, found.attempts, found.execution_started_at) == ("executing", "w", 1, START)


@pytest.mark.parametrize(
    "first, second",
    [
        (budget("110"), pause()),
        (pause(), budget("90")),
        (RESUME, pause()),
        (pause(), pause()),
        (budget("110"), budget("110", "another")),
        (pause(), MESSAGE),
    ],
)
async def test_another_thing_does_not_wait_and_a_stop_waits_for_nobody(shelf: Shelf, first: Action, second: Action) -> None:
    one = await put(shelf, record(first, "k1"))
    assert await claim(shelf, one)
    other = await put(shelf, record(second, "k2", at=later(1)))
    assert await claim(shelf, other)


async def test_only_who_has_the_attempt_may_write_and_end_it(shelf: Shelf) -> None:
    one = await put(shelf, record(budget("110"), "k1"))
    assert await claim(shelf, one, "first")
    assert (await look(shelf, lambda tx: tx.clearance(one.id, "first", 1))).held
    assert not (await look(shelf, lambda tx: tx.clearance(one.id, "other", 1))).held
    await look(shelf, lambda tx: tx.change(one.id, "executing", "unknown", holder=("first", 1)))
    assert not (await look(shelf, lambda tx: tx.clearance(one.id, "first", 1))).held
    assert not await look(shelf, lambda tx: tx.claim(one.id, "unknown", executor="third", attempts=3, at=START)), (
        "it was not seen last"
    )
    assert await look(shelf, lambda tx: tx.claim(one.id, "unknown", executor="first", attempts=2, at=START))
    for holder in (("first", 1), ("other", 2), (None, 2)):
        assert not await look(shelf, lambda tx, holder=holder: tx.change(one.id, "executing", "failed", holder=holder))
    assert await look(shelf, lambda tx: tx.change(one.id, "executing", "done", holder=("first", 2)))


@pytest.mark.parametrize("start", [RESUME, publication("pia-meta", "40")])
async def test_a_start_writes_nothing_more_once_a_stop_was_decided(shelf: Shelf, start: Action) -> None:
    one = await put(shelf, record(start, "k1"))
    assert not await look(shelf, lambda tx: tx.starting("pia-meta"))
    assert await claim(shelf, one)
    assert await look(shelf, lambda tx: tx.starting("pia-meta"))
    assert (await look(shelf, lambda tx: tx.clearance(one.id, "w", 1))).held
    stop = await put(shelf, record(pause(), "k2", "authorised", at=later(1)))
    assert not (await look(shelf, lambda tx: tx.clearance(one.id, "w", 1))).held
    await look(shelf, lambda tx: tx.change(stop.id, "authorised", "cancelled"))
    assert (await look(shelf, lambda tx: tx.clearance(one.id, "w", 1))).held


async def test_what_was_decided_anew_is_the_later_whatever_the_clocks_say(shelf: Shelf) -> None:
    """The clock of the machine that decided second is an hour behind."""
    raised = await put(shelf, record(budget("110"), "k1", "waiting", at=later(3600)))
    await put(shelf, record(budget("90"), "k2", "done", at=later(0)))
    await look(shelf, lambda tx: tx.change(raised.id, "waiting", "authorised"))
    with pytest.raises(Busy):
        await claim(shelf, raised)
    again = await put(shelf, record(budget("120"), "k3", "waiting", at=later(-3600)))
    await look(shelf, lambda tx: tx.change(again.id, "waiting", "authorised", decided_at=later(-3000)))
    assert await claim(shelf, again)


@pytest.mark.parametrize("fails", [False, True])
async def test_of_two_that_begin_at_once_one_begins(shelf: Shelf, fails: bool) -> None:
    one, other = await put(shelf, record(budget("110"), "k1")), await put(shelf, record(budget("120"), "k2", at=later(1)))
    second = None
    try:
        async with shelf.books.transaction() as tx:
            assert await tx.claim(one.id, "authorised", executor="first", attempts=1, at=START)
            second = asyncio.create_task(claim(shelf, other, "second"))
            assert await waits(second)
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert second is not None
    if fails:
        assert await second
    else:
        with pytest.raises(Busy):
            await second


@pytest.mark.parametrize("by", ["executing", "unknown", "done"])
@pytest.mark.parametrize(
    "older, newer, overtaken",
    [
        (budget("110"), budget("90"), True),
        (budget("110"), pause(), True),
        (RESUME, pause(), True),
        (pause(), RESUME, True),
        (pause(), budget("90"), False),  # that a budget was set since does not make a stop wrong
        (pause(), pause(), False),
        (budget("110"), budget("90", "another"), False),
    ],
)
async def test_no_decision_goes_out_after_a_later_one(
    shelf: Shelf, older: Action, newer: Action, overtaken: bool, by: Status
) -> None:
    one, other = await put(shelf, record(older, "k1")), await put(shelf, record(newer, "k2", at=later(1)))
    assert await claim(shelf, other)
    if by != "executing":
        await look(shelf, lambda tx: tx.change(other.id, "executing", by))
    if overtaken:
        with pytest.raises(Busy):
            await claim(shelf, one)
        assert await status(shelf, one.id) == "authorised"
    else:
        assert await claim(shelf, one)


@pytest.mark.parametrize("by", ["failed", "cancelled", "waiting", "authorised"])
async def test_a_later_decision_that_came_to_nothing_stands_in_nobodys_way(shelf: Shelf, by: Status) -> None:
    one = await put(shelf, record(budget("110"), "k1"))
    await put(shelf, record(budget("90"), "k2", by, at=later(1)))
    assert await claim(shelf, one)


async def test_of_one_moment_the_one_recorded_later_is_the_later(shelf: Shelf) -> None:
    one, other = await put(shelf, record(budget("110"), "k2")), await put(shelf, record(budget("90"), "k1"))
    assert await claim(shelf, other)
    await look(shelf, lambda tx: tx.change(other.id, "executing", "done"))
    with pytest.raises(Busy):
        await claim(shelf, one)
