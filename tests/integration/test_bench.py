"""A tiny run of the benchmark: that it works and finds nothing wrong, not how fast anything is."""

from pathlib import Path

import msgspec
import pytest

from loadtest import bench
from loadtest.catalogue import find_scenario
from loadtest.cli import build_parser
from loadtest.results import Result
from loadtest.targets import LIVE_SESSIONS, OK_P99_MS, Target
from tests.support.results import result

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_a_tiny_run_measures_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "bench.html"
    assert bench.main(["idle", "start", "--tiny", "--html", str(page)]) == 0
    said = capsys.readouterr().out
    assert "hugmood loadtest idle --up" in said
    rows = [line for line in said.splitlines() if "≤" in line]
    assert [row.split("  ")[0] for row in rows] == ["memory of an idle session", "start of hugmood up, the second time"]
    assert said.splitlines()[-1] == "Every promise was kept."
    assert "50 idle sessions, authenticated" in page.read_text()


def test_what_is_not_there_to_be_run_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bench.main(["sprint"])
    assert ended.value.code == 2
    assert "no such run: sprint" in capsys.readouterr().err


def measured(monkeypatch: pytest.MonkeyPatch, outcome: bench.Outcome) -> int:
    monkeypatch.setattr(bench, "measure_all", lambda names, is_tiny: outcome)
    return bench.main(["hugs"])


def test_only_a_broken_promise_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missed = bench.Figure(OK_P99_MS, 99.0)
    assert measured(monkeypatch, bench.Outcome([missed], [result()])) == 0
    assert "MISSED" in capsys.readouterr().out
    assert measured(monkeypatch, bench.Outcome([missed], [result()], ["hugs: hug 3 is lost"])) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "  hugs: hug 3 is lost"
    assert measured(monkeypatch, bench.Outcome(unmeasured=["hugs: ended with 2"])) == 2
    assert "NOT MEASURED: hugs" in capsys.readouterr().out


@pytest.mark.parametrize("run", bench.RUNS, ids=lambda run: f"{run.scenario} {run.options[1]}")
def test_every_run_is_one_that_the_load_tester_knows(run: bench.Run) -> None:
    for options in (run.options, (*run.options, *run.tiny)):
        build_parser().parse_args([run.scenario, "--up", *options])
    keys = find_scenario(run.scenario).keys
    assert run.figures
    assert not keys or run.figures.keys() <= set(keys)


def test_a_figure_that_was_measured_by_a_busy_client_says_so() -> None:
    run = bench.Run("hugs", (), (), {"ok_p99_ms": OK_P99_MS})
    warned: Result = result(notes=["something", "WARNING: the client", "WARNING: again"])
    assert bench.figures_of(run, warned) == [bench.Figure(OK_P99_MS, 6.21, "WARNING: the client\n  WARNING: again")]
    assert bench.figures_of(run, result())[0].note == ""


def test_every_target_is_measured_once() -> None:
    measured_by: list[Target] = [target for run in bench.RUNS for target in run.figures.values()]
    assert len(measured_by) == len({target.key for target in measured_by})


def test_the_growth_run_is_named_as_what_it_is(tmp_path: Path) -> None:
    assert bench.live_sessions(tmp_path / "growth.json") == []
    path = tmp_path / "growth.json"
    path.write_bytes(msgspec.json.encode(result(rows=[LIVE_SESSIONS.row(120_000.0)])))
    (figure,) = bench.live_sessions(path)
    assert figure.value == 120_000
    assert "not measured now, but on 2026-01-05" in figure.note
