"""`hugmood loadtest compare`: the same work for our hub and for other servers, each in turn, in the same run.

The server, with its Redis, has the first core, the client has the last one. Rounds are interleaved, so that what
disturbs the machine for a while disturbs everybody; what is reported is the median of the rounds.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from loadtest.comparison import WORKS, compare, render
from loadtest.comparison_page import write_comparison
from loadtest.peers.ours import Ours
from loadtest.peers.peer import Peer, Site
from loadtest.peers.starlette_hub import StarletteHub
from loadtest.peers.websockets_hub import WebsocketsHub
from loadtest.stack import StackFailed
from loadtest.wire import Lost
from loadtest.works import Sizes, Turn, fan_out, idle, unicast

PEERS: tuple[type[Peer], ...] = (Ours, StarletteHub, WebsocketsHub)
SECONDS_MAX = 20.0  # so that nobody has to answer pings while a work is measured


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    names, usual = [peer.name for peer in PEERS], Sizes()
    parser.add_argument("--peers", nargs="+", choices=names, default=names, metavar="P", help=", ".join(names))
    parser.add_argument("--works", nargs="+", choices=WORKS, default=WORKS, metavar="W", help=", ".join(WORKS))
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is shown (default: 3)")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of each work (default: 5, at most 20)")
    parser.add_argument("--subscribers", type=int, default=usual.subscribers, help="of fan-out (default: 1000)")
    parser.add_argument("--every-ms", type=float, default=usual.every_ms, help="between spaced messages (default: 20)")
    parser.add_argument("--pairs", type=int, default=usual.pairs, help="of unicast (default: 20)")
    parser.add_argument(
        "--rate", type=float, default=usual.rate, help="of unicast, all pairs together (default: 2000/s)"
    )
    parser.add_argument("--connections", type=int, default=usual.connections, help="that idle (default: 2000)")
    parser.add_argument(
        "--installed",
        type=Path,
        default=Path(".peers"),
        metavar="D",
        help="where npm and pip have put other servers (default: .peers)",
    )
    parser.add_argument("--json", type=Path, metavar="F", help="write all figures to F as well")
    parser.add_argument("--html", type=Path, metavar="F", help="write a page with charts to F")


def take_turns(options: argparse.Namespace, scratch: Path) -> Iterator[Turn]:
    """Every turn of every round, as it comes. A peer that fails has a turn with the problem."""
    site = Site(options.installed.absolute(), scratch)
    for number in range(options.rounds):
        for peer in PEERS:
            if peer.name in options.peers and not peer.missing(site):
                print(f"round {number + 1} of {options.rounds}: {peer.title}", flush=True)
                try:
                    yield from _turns(peer, site, options)
                except (StackFailed, Lost, OSError) as error:
                    yield Turn(peer=peer.name, work="", problems=[str(error)])


def _turns(peer: type[Peer], site: Site, options: argparse.Namespace) -> Iterator[Turn]:
    sizes = msgspec.convert({name: getattr(options, name) for name in Sizes.__struct_fields__}, Sizes)
    if set(options.works) - {"unicast"}:
        with _pinned(peer, site, 1, max(sizes.connections, sizes.subscribers)) as server:
            if "idle" in options.works:
                yield idle(server, sizes)
            if {"bursts", "spaced"} & set(options.works):
                yield from (turn for turn in fan_out(server, sizes) if turn.work in options.works)
    if "unicast" in options.works:
        with _pinned(peer, site, peer.unicast_nodes, 2 * sizes.pairs) as server:
            yield unicast(server, sizes)


@contextmanager
def _pinned(peer: type[Peer], site: Site, nodes: int, people: int) -> Iterator[Peer]:
    """*peer* on the first core, and for the block this process on the last one."""
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})  # children inherit it, and count their cores by it
        with peer.serve(site, nodes, people) as server:
            os.sched_setaffinity(0, {max(cores)})
            yield server
    finally:
        os.sched_setaffinity(0, cores)


def run(options: argparse.Namespace) -> int:
    """0: everything was delivered; 1: something was not, or a server failed."""
    if not 0 < options.seconds <= SECONDS_MAX:
        print(f"compare: --seconds is at most {SECONDS_MAX:.0f}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end with us
    turns: list[Turn] = []
    with tempfile.TemporaryDirectory(prefix="hugmood-compare-") as folder:
        for turn in take_turns(options, Path(folder)):
            turns.append(turn)
            print(f"  {turn.say()}", flush=True)
        site = Site(options.installed.absolute(), Path(folder))
        missing = [
            f"{peer.title}: {what}" for peer in PEERS if peer.name in options.peers and (what := peer.missing(site))
        ]
    comparison = compare({peer.name: peer.title for peer in PEERS}, turns, missing)
    print("\n" + render(comparison))
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(comparison)))
    if options.html is not None:
        write_comparison(comparison, options.html)
    return 1 if comparison.problems else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """For `python -m loadtest.compare`."""
    parser = argparse.ArgumentParser(prog="hugmood loadtest compare", description=(__doc__ or "").split("\n\n")[1])
    add_options(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
