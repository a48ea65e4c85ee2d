"""Two workers write to the sandbox over HTTP without a pause; a switch is set; the sandbox's own book says what it accepted later."""

from __future__ import annotations

from benchmarks.kill import trials


async def test_nothing_is_accepted_later_than_a_second_after_the_switch(database_url: str) -> None:
    found = await trials(database_url, 3)
    assert len(found) == 3
    assert all(trial.before >= 6 for trial in found), "the workers were writing each time"
    assert [trial.late for trial in found] == [0, 0, 0], found
