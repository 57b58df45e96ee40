"""Distances from bounds, and what has moved since a release."""

from pathlib import Path

import pytest

from loadtest.standing import Figure, Stored, load_stored, percent, render_standing, save_stored, what_moved
from loadtest.targets import HUG_HUB_CPU_US, HUGS_PER_S, OK_P99_MS, OPENINGS_PER_CORE_S
from tests.support.results import MACHINE

pytestmark = pytest.mark.unit


def stored(version: str = "0.1.0", **figures: float) -> Stored:
    return Stored(version, "2026-01-05T20:15:00+00:00", MACHINE, figures)


@pytest.mark.parametrize(
    ("target", "value", "must", "aim"),
    [
        (OK_P99_MS, 5.0, 0.5, 0.0),
        (OK_P99_MS, 12.0, -0.2, -1.4),
        (HUGS_PER_S, 30_000.0, 1.0, -1 / 7),
        (HUGS_PER_S, 7_500.0, -0.5, -11 / 14),
    ],
)
def test_a_distance_is_positive_on_the_good_side(target: object, value: float, must: float, aim: float) -> None:
    assert isinstance(target, type(OK_P99_MS))
    assert target.spare(value, target.must) == pytest.approx(must)
    assert target.spare(value, target.aim) == pytest.approx(aim)


@pytest.mark.parametrize(
    ("share", "text"), [(0.2, "+20 %"), (-0.07, "−7 %"), (0.0, "+0 %"), (11.0, "×12"), (-12.0, "×13")]
)
def test_shares_are_short(share: float, text: str) -> None:
    assert percent(share) == text


def test_the_table_shows_bounds_distances_and_change() -> None:
    figures = [Figure(OK_P99_MS, 6.0), Figure(HUG_HUB_CPU_US, 42.0, "WARNING: the client was busy")]
    lines = render_standing(figures, stored(hug_cpu_us=28.0, ok_p99_ms=1.0)).splitlines()
    assert lines[0].endswith("  since 0.1.0")
    ok, hug = (line.split() for line in lines[1:3])
    assert ok[-11:] == ["≤", "10", "ms", "+40", "%", "≤", "5", "ms", "−20", "%", "ok"]
    assert hug[-3:] == ["MISSED", "+50", "%"]
    assert lines[-2:] == ["durable hug over two hubs: CPU of both", "  WARNING: the client was busy"]


def test_only_costs_are_compared_and_only_what_moved_is_said() -> None:
    before = stored(hug_cpu_us=20.0, ok_p99_ms=1.0, openings_per_core_s=5_000.0)
    still = [Figure(HUG_HUB_CPU_US, 22.9), Figure(OK_P99_MS, 9.0), Figure(OPENINGS_PER_CORE_S, 5_700.0)]
    assert what_moved(still, before) == ["No cost moved by more than 15% since 0.1.0."]
    dearer = [Figure(HUG_HUB_CPU_US, 23.1), Figure(OPENINGS_PER_CORE_S, 4_000.0)]
    assert [line.split(":")[0] for line in what_moved(dearer, before)] == ["WORSE", "WORSE"]
    cheaper = [Figure(HUG_HUB_CPU_US, 16.0), Figure(OPENINGS_PER_CORE_S, 6_000.0)]
    assert [line.split(":")[0] for line in what_moved(cheaper, before)] == ["better", "better"]
    assert "16 µs, 20 µs in 0.1.0" in what_moved(cheaper, before)[0]


def test_without_stored_figures_it_says_so() -> None:
    assert "--save" in what_moved([Figure(OK_P99_MS, 1.0)], None)[0]
    assert "since" not in render_standing([Figure(OK_P99_MS, 1.0)], None)


def test_the_newest_release_is_what_is_compared_with(tmp_path: Path) -> None:
    assert load_stored(tmp_path) is None
    (tmp_path / "growth.json").write_text("not figures")
    for version in ("0.9.0", "0.10.0", "0.2.0"):
        save_stored(stored(version, hug_cpu_us=1.0), tmp_path)
    newest = load_stored(tmp_path)
    assert newest is not None
    assert newest.version == "0.10.0"


def test_figures_that_were_not_measured_again_are_kept(tmp_path: Path) -> None:
    save_stored(stored(hug_cpu_us=30.0, session_kib=1.5), tmp_path)
    save_stored(stored(hug_cpu_us=25.0), tmp_path)
    kept = load_stored(tmp_path)
    assert kept is not None
    assert kept.figures == {"hug_cpu_us": 25.0, "session_kib": 1.5}
