"""Quiet hours on days that are told in full; all zones are tests/property/test_quiet_hours.py."""

from datetime import UTC, datetime, time, timedelta

import pytest

from domain.errors import Invalid
from domain.quiet_hours import QuietHours, quiet_until

pytestmark = pytest.mark.unit


def until(hours: str, zone: str, now: str) -> str | None:
    """When what is quiet at *now* ends, both in UTC, to the minute."""
    start, end = (time.fromisoformat(part) for part in hours.split("-"))
    found = quiet_until(QuietHours(start, end, zone), datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found is None or found.utcoffset() == timedelta(0)
    return found.isoformat(" ", "minutes")[:16] if found is not None else None


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-01-10 12:59:59.999", None),
        ("2026-01-10 13:00", "2026-01-10 15:00"),
        ("2026-01-10 14:59:59.999", "2026-01-10 15:00"),
        ("2026-01-10 15:00", None),
    ],
)
def test_the_start_is_quiet_and_the_end_is_not(now: str, expected: str | None) -> None:
    assert until("14:00-16:00", "Europe/Berlin", now) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-01-10 20:59", None),
        ("2026-01-10 21:00", "2026-01-11 06:00"),
        ("2026-01-11 00:00", "2026-01-11 06:00"),
        ("2026-01-11 05:59", "2026-01-11 06:00"),
        ("2026-01-11 06:00", None),
    ],
)
def test_over_midnight(now: str, expected: str | None) -> None:
    assert until("22:00-07:00", "Europe/Berlin", now) == expected


def test_the_same_time_twice_is_no_quiet_hours() -> None:
    for hour in range(24):
        assert until("07:00-07:00", "Europe/Berlin", f"2026-01-10 {hour:02}:00") is None


def test_all_but_a_minute() -> None:
    assert until("07:01-07:00", "UTC", "2026-01-10 07:00:59") is None
    assert until("07:01-07:00", "UTC", "2026-01-10 07:01") == "2026-01-11 07:00"


def test_any_aware_time_will_do() -> None:
    now = datetime.fromisoformat("2026-01-10 23:30:00+05:30")  # 19:00 in Berlin
    assert quiet_until(QuietHours(time(18), time(20), "Europe/Berlin"), now) == datetime(2026, 1, 10, 19, tzinfo=UTC)


@pytest.mark.parametrize(  # on 29 March 2026 clocks in Berlin go from 02:00 to 03:00, at 01:00 UTC
    ("hours", "now", "expected"),
    [
        ("22:00-07:00", "2026-03-28 21:00", "2026-03-29 05:00"),  # an hour less of it
        ("22:00-02:30", "2026-03-29 00:59", "2026-03-29 01:00"),
        ("22:00-02:30", "2026-03-29 01:00", None),  # at 03:00
        ("22:00-03:00", "2026-03-29 00:59", "2026-03-29 01:00"),
        ("02:30-06:00", "2026-03-29 00:59", None),
        ("02:30-06:00", "2026-03-29 01:00", "2026-03-29 04:00"),  # 03:00 is one of its times
        ("02:10-02:50", "2026-03-29 00:59", None),
        ("02:10-02:50", "2026-03-29 01:00", None),
    ],
)
def test_when_clocks_are_set_forward(hours: str, now: str, expected: str | None) -> None:
    assert until(hours, "Europe/Berlin", now) == expected


@pytest.mark.parametrize(  # on 25 October 2026 clocks in Berlin go from 03:00 back to 02:00, at 01:00 UTC
    ("hours", "now", "expected"),
    [
        ("22:00-07:00", "2026-10-24 20:00", "2026-10-25 06:00"),  # an hour more of it
        ("22:00-02:30", "2026-10-25 00:29", "2026-10-25 01:30"),  # 02:30 comes twice
        ("22:00-02:30", "2026-10-25 00:45", "2026-10-25 01:30"),  # between two quiet times
        ("22:00-02:30", "2026-10-25 01:30", None),
        ("22:00-02:00", "2026-10-24 23:59", "2026-10-25 00:00"),  # 02:00 comes twice, but nothing quiet in between
        ("22:00-02:00", "2026-10-25 00:00", None),
        ("22:00-02:00", "2026-10-25 01:00", None),
        ("22:00-03:00", "2026-10-25 00:59", "2026-10-25 02:00"),
        ("02:30-06:00", "2026-10-25 00:29", None),
        ("02:30-06:00", "2026-10-25 00:30", "2026-10-25 05:00"),
        ("02:30-06:00", "2026-10-25 01:10", "2026-10-25 05:00"),  # 02:10 again, but quiet has begun
        ("02:10-02:40", "2026-10-25 00:10", "2026-10-25 01:40"),
    ],
)
def test_when_clocks_are_set_back(hours: str, now: str, expected: str | None) -> None:
    assert until(hours, "Europe/Berlin", now) == expected


def test_where_the_change_takes_midnight_away() -> None:
    # Beirut, 29 March 2026: from 00:00 to 01:00, at 22:00 UTC the day before
    assert until("23:00-00:30", "Asia/Beirut", "2026-03-28 21:30") == "2026-03-28 22:00"
    assert until("00:30-05:00", "Asia/Beirut", "2026-03-28 22:00") == "2026-03-29 02:00"


def test_where_a_whole_day_is_left_out() -> None:
    # Apia had no 30 December 2011: midnight of the 31st was 10:00 UTC on the 30th.
    assert until("22:00-07:00", "Pacific/Apia", "2011-12-30 09:00") == "2011-12-30 17:00"
    assert until("01:00-05:00", "Pacific/Apia", "2011-12-30 09:59") is None
    assert until("01:00-05:00", "Pacific/Apia", "2011-12-30 11:00") == "2011-12-30 15:00"


def test_a_zone_that_does_not_exist() -> None:
    with pytest.raises(Invalid):
        until("22:00-07:00", "Europe/Atlantis", "2026-01-10 12:00")
