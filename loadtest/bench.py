"""`make bench`: a short run for every target that can be measured so far, and one table at the end.

Each run is one of `hugmood loadtest --up`, on a server of its own, and can be repeated by hand. A broken promise makes the
exit code 1; a missed target does not, it is printed.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct

from loadtest import targets
from loadtest.report.figures import measure
from loadtest.report.html import write_html
from loadtest.report.table import verdict
from loadtest.results import Result
from loadtest.server.machine import this_machine
from loadtest.server.stack import COMMAND, StackFailed
from loadtest.server.starting import second_start_s
from loadtest.standing import Figure, Stored, load_stored, render_standing, save_stored, what_moved
from loadtest.targets import Target

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
GROWTH = FIGURES / "growth.json"  # as `hugmood loadtest growth --json` wrote it
EXIT_BROKEN, EXIT_NOT_MEASURED, EXIT_INTERRUPTED = 1, 2, 130


class Run(Struct, frozen=True):
    """One run of `hugmood loadtest`. *figures*: which target each row is for, by its key. *tiny*: options that make it so."""

    scenario: str
    options: tuple[str, ...]
    tiny: tuple[str, ...]
    figures: dict[str, Target]


BRIEF = ("--seconds", "1", "--warm-up", "0.5")
RUNS = (
    Run(
        "room",
        ("--pattern", "burst", "--pin", "--seconds", "10"),
        ("--members", "20", *BRIEF),
        {"room_burst_cpu_us": targets.ROOM_BURST_CPU_US},
    ),
    Run(
        "room",
        ("--pattern", "spaced", "--pin", "--seconds", "10"),
        ("--members", "20", *BRIEF),
        {"room_spaced_cpu_us": targets.ROOM_SPACED_CPU_US},
    ),
    Run(
        "unicast",
        ("--rate", "max", "--pin", "--seconds", "10"),
        ("--pairs", "2", *BRIEF),
        {"unicast_cpu_us": targets.UNICAST_CPU_US},
    ),
    Run(
        "hugs",
        ("--rate", "max", "--seconds", "10"),
        ("--pairs", "2", *BRIEF),
        {"hub_cpu_us": targets.HUG_HUB_CPU_US, "hugs_per_s": targets.HUGS_PER_S},
    ),
    Run(
        "hugs",
        ("--rate", "5000", "--seconds", "10"),
        ("--rate", "200", *BRIEF),
        {"ok_p99_ms": targets.OK_P99_MS, "delivery_p99_ms": targets.DELIVERY_P99_MS},
    ),
    Run(
        "moods",
        ("--rate", "max", "--moods", "50000"),
        ("--moods", "200", "--users", "20"),
        {"moods_per_s": targets.MOODS_PER_S},
    ),
    *(
        Run("push", ("--provider", provider), ("--pushes", "40"), {"pushes_per_s": target})
        for provider, target in targets.PUSHES_PER_S.items()
    ),
    Run(
        "idle",
        ("--sessions", "10000", "--seconds", "5"),
        ("--sessions", "50", *BRIEF),
        {"session_rss_kib": targets.SESSION_KIB},
    ),
    Run(
        "opening",
        ("--sessions", "10000"),
        ("--sessions", "50"),
        {"openings_per_core_s": targets.OPENINGS_PER_CORE_S},
    ),
    Run(
        "storm",
        ("--sessions", "20000", "--seconds", "12"),
        ("--sessions", "50", "--pairs", "10", "--rate", "50", "--seconds", "4", "--warm-up", "0.5"),
        {"storm_s": targets.STORM_S},
    ),
    Run(
        "slow",
        ("--stopped", "100"),
        ("--stopped", "4", "--pairs", "2", "--rate", "20"),
        {"stopped_reader_kib": targets.STOPPED_READER_KIB},
    ),
)
OTHERS = ("start", "live")  # without load: how long `hugmood up` takes; how far the last growth run came
NAMES = tuple(dict.fromkeys([run.scenario for run in RUNS] + list(OTHERS)))


class Outcome(Struct):
    """What all runs together have found."""

    figures: list[Figure] = []
    results: list[Result] = []
    problems: list[str] = []
    unmeasured: list[str] = []


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description="Measures every target, briefly.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(NAMES)}")
    parser.add_argument("--save", action="store_true", help=f"keep the figures as those of this release, in {FIGURES}")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts of all runs there")
    parser.add_argument("--tiny", action="store_true", help="a second of each: whether it works, not how fast it is")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"no such run: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if options.save and options.tiny:
        parser.error("figures of tiny runs say nothing: --save wants real ones")
    options.names = options.names or list(NAMES)
    return options


def measure_all(names: Sequence[str], *, is_tiny: bool) -> Outcome:
    """Everything of *names*, one after the other, said as soon as it is known."""
    outcome = Outcome()
    with TemporaryDirectory(prefix="hugmood-bench-") as folder:
        for run in RUNS:
            if run.scenario in names:
                _measure(run, Path(folder) / "result.json", outcome, is_tiny=is_tiny)
    if "start" in names:
        _start(outcome, starts=1 if is_tiny else 3)
    if "live" in names:
        outcome.figures += live_sessions(GROWTH)
    return outcome


def _measure(run: Run, path: Path, outcome: Outcome, *, is_tiny: bool) -> None:
    arguments = ("loadtest", run.scenario, "--up", *run.options, *(run.tiny if is_tiny else ()))
    said, began = " ".join(("hugmood", *arguments)), time.monotonic()
    print(said, flush=True)
    path.unlink(missing_ok=True)
    done = subprocess.run((str(COMMAND), *arguments, "--json", str(path)), stdout=subprocess.DEVNULL, check=False)
    if not path.exists():
        outcome.unmeasured.append(f"{said}: ended with {done.returncode}")
        return
    result = msgspec.json.decode(path.read_bytes(), type=Result)
    outcome.results.append(result)
    outcome.problems += [f"{result.title}: {problem}" for problem in result.problems]
    figures = figures_of(run, result)
    outcome.figures += figures
    for figure in figures:
        print(f"  {figure.target.words}: {measure(figure.value, figure.target.unit)}")
    print(f"  {len(result.problems)} problems, {time.monotonic() - began:.0f} s", flush=True)


def figures_of(run: Run, result: Result) -> list[Figure]:
    """The rows of *result* that have a target, with the warnings of the run."""
    warnings = "\n  ".join(note for note in result.notes if note.startswith("WARNING"))
    return [Figure(run.figures[row.key], row.value, warnings) for row in result.rows if row.key in run.figures]


def _start(outcome: Outcome, starts: int) -> None:
    print("hugmood up, in a data folder that it has made before", flush=True)
    try:
        seconds = second_start_s(starts)
    except (StackFailed, OSError) as error:
        outcome.unmeasured.append(f"hugmood up: {error}")
        return
    print(f"  {measure(seconds, 's')}", flush=True)
    outcome.figures.append(Figure(targets.START_S, seconds))


def live_sessions(path: Path) -> list[Figure]:
    """What the last growth run reached, which takes too long for now; nothing if none is kept."""
    if not path.exists():
        return []
    result = msgspec.json.decode(path.read_bytes(), type=Result)
    note = f"not measured now, but on {result.started_at[:10]}: {result.title}"
    return [
        Figure(targets.LIVE_SESSIONS, row.value, note) for row in result.rows if row.key == targets.LIVE_SESSIONS.key
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every promise was kept; 1: one was not; 2: something could not be measured."""
    options = parse(arguments)
    try:
        outcome = measure_all(options.names, is_tiny=options.tiny)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    stored = None if options.tiny else load_stored(FIGURES)
    print("", render_standing(outcome.figures, stored), "", sep="\n")
    if not options.tiny:
        print(*what_moved(outcome.figures, stored), sep="\n")
    if options.html:
        write_html(outcome.results, options.html)
    if options.save:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        values = {figure.target.key: figure.value for figure in outcome.figures}
        print(f"kept in {save_stored(Stored(version('hugmood'), now, this_machine(), values), FIGURES)}")
    for each in outcome.unmeasured:
        print(f"NOT MEASURED: {each}")
    if outcome.results:
        print(*verdict(outcome.problems), sep="\n")
    if outcome.problems:
        return EXIT_BROKEN
    return EXIT_NOT_MEASURED if outcome.unmeasured else 0


if __name__ == "__main__":
    sys.exit(main())
