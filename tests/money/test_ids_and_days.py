"""Ids that follow from names, and the windows of a judgement, against the plain way of making them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.domain.chain import canonical, is_judgement_hash, judgement_hash, sha256
from knowledge.domain.clock import day_bounds, days_between, week_bounds
from knowledge.domain.fact_building import Windows
from knowledge.domain.ids import derived

ZONES = ["America/Sao_Paulo", "Asia/Tokyo", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Beirut", "UTC"]
"""Among them zones whose clocks change at midnight."""


@given(st.text())
def test_a_derived_id_is_the_standard_librarys(name: str) -> None:
    assert derived(name) == str(uuid.uuid5(uuid.NAMESPACE_URL, name))


minutes = st.integers(0, 12 * 366 * 24 * 60).map(lambda passed: datetime(2016, 1, 1, tzinfo=UTC) + timedelta(minutes=passed))


@given(minutes, st.sampled_from(ZONES))
def test_windows_are_the_local_days_and_weeks_of_the_moment(now: datetime, zone: str) -> None:
    at = Windows.at(now, zone)
    assert (at.day_start, at.day_end) == day_bounds(now, zone)
    start, end = week_bounds(now, zone)
    assert at.week_end == end
    assert at.today == now.astimezone(ZoneInfo(zone)).date()
    assert at.monday == start.astimezone(ZoneInfo(zone)).date()
    assert at.past == days_between(at.monday, at.today, zone)
    assert (at.now, at.day_ago) == (now, now - timedelta(hours=24))


def test_a_judgement_is_known_by_todays_digest_and_by_that_of_older_rows() -> None:
    parts = ("id", "version", "hash", "law", '{"now":"x"}', '{"answer":"allow"}')
    whole = sha256(canonical(list(parts)))
    assert judgement_hash(*parts) != whole
    assert is_judgement_hash(judgement_hash(*parts), *parts)
    assert is_judgement_hash(whole, *parts)


@pytest.mark.parametrize("place", range(6))
def test_no_digest_fits_other_texts(place: int) -> None:
    parts = ["id", "version", "hash", "law", '{"now":"x"}', '{"answer":"allow"}']
    digests = judgement_hash(*parts), sha256(canonical(parts))
    parts[place] += " "
    assert not any(is_judgement_hash(digest, *parts) for digest in digests)
