"""`hugmood loadtest compare`: the same work for our hub and for other servers, each in turn, in the same run.

The server, with its Redis, has the first core, the client has the last one. Rounds are interleaved, so that what
disturbs the machine for a while disturbs everybody; what is reported is the median of the rounds.
"""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from loadtest.arguments import count, rate, seconds
from loadtest.clients.wire import Lost
from loadtest.comparison import WORKS, Setting, compare, render
from loadtest.peers.mosquitto import Mosquitto
from loadtest.peers.nats import Nats
from loadtest.peers.nchan import Nchan
from loadtest.peers.ours import Ours
from loadtest.peers.peer import Peer, Site
from loadtest.peers.socketio import SocketIo
from loadtest.peers.starlette_hub import StarletteHub
from loadtest.peers.websockets_hub import WebsocketsHub
from loadtest.report.comparison_page import write_comparison
from loadtest.server.machine import this_machine
from loadtest.server.stack import StackFailed, temporary_folder
from loadtest.works import Sizes, Turn, fan_out, idle, unicast

PEERS: tuple[type[Peer], ...] = (Ours, Nats, Nchan, Mosquitto, WebsocketsHub, SocketIo, StarletteHub)
SUMMARY = "the same work for this hub and for other servers, in turn: what each of them costs"
SECONDS_MAX = 20.0  # so that nobody has to answer pings while a work is measured


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    names, usual = [peer.name for peer in PEERS], Sizes()
    which = parser.add_argument_group("what is compared")
    which.add_argument("--peers", nargs="+", choices=names, default=names, metavar="PEER", help=", ".join(names))
    which.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS), metavar="WORK", help=", ".join(WORKS))
    which.add_argument(
        "--installed",
        type=Path,
        default=Path(".peers"),
        metavar="DIR",
        help="where npm and pip have put servers (%(default)s)",
    )
    run = parser.add_argument_group("the run")
    run.add_argument("--rounds", type=count, default=3, metavar="N", help="whose median is shown (%(default)s)")
    run.add_argument(
        "--seconds",
        type=seconds,
        default=usual.seconds,
        metavar="S",
        help=f"of each work, at most {SECONDS_MAX:.0f} (%(default)s)",
    )
    run.add_argument(
        "--subscribers", type=count, default=usual.subscribers, metavar="N", help="of fan-out (%(default)s)"
    )
    run.add_argument(
        "--every-ms", type=rate, default=usual.every_ms, metavar="MS", help="between spaced messages (%(default)s)"
    )
    run.add_argument(
        "--pairs", type=count, default=usual.pairs, metavar="N", help="of unicast and trickle (%(default)s)"
    )
    run.add_argument(
        "--rate",
        type=rate,
        default=usual.rate,
        metavar="R",
        help="of trickle, messages a second of all pairs (%(default)s)",
    )
    run.add_argument(
        "--connections", type=count, default=usual.connections, metavar="N", help="that idle (%(default)s)"
    )
    run.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    run.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts there")


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
    sizes, wanted = _sizes(options), set(options.works)
    if wanted & {"idle", "bursts", "spaced"}:
        with _pinned(peer, site, 1, max(sizes.connections, sizes.subscribers)) as server:
            if "idle" in wanted:
                yield idle(server, sizes)
            if wanted & {"bursts", "spaced"}:
                yield from (turn for turn in fan_out(server, sizes) if turn.work in wanted)
    if wanted & {"unicast", "trickle"}:
        with _pinned(peer, site, peer.unicast_nodes, 2 * sizes.pairs) as server:
            yield from (turn for turn in unicast(server, sizes) if turn.work in wanted)


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


def _sizes(options: argparse.Namespace) -> Sizes:
    return msgspec.convert({name: getattr(options, name) for name in Sizes.__struct_fields__}, Sizes)


def run(options: argparse.Namespace) -> int:
    """0: everything was delivered; 1: something was not, or a server failed. Raises: ValueError, OSError."""
    if options.seconds > SECONDS_MAX:
        raise ValueError(f"--seconds is at most {SECONDS_MAX:.0f}: nobody answers pings meanwhile")
    turns: list[Turn] = []
    started_at = datetime.now(UTC)
    with temporary_folder() as folder:
        site = Site(options.installed.absolute(), folder)
        chosen = [peer for peer in PEERS if peer.name in options.peers]
        missing = [f"{peer.title}: {what}" for peer in chosen if (what := peer.missing(site))]
        for turn in take_turns(options, folder):
            turns.append(turn)
            print(f"  {turn.say()}", flush=True)
    setting = Setting(
        started_at=started_at.isoformat(timespec="seconds"),
        version=version("hugmood"),
        machine=this_machine(),
        rounds=options.rounds,
        sizes=_sizes(options),
    )
    comparison = compare({peer.name: peer.title for peer in chosen}, turns, missing, setting)
    print("\n" + render(comparison))
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(comparison)) + b"\n")
    if options.html is not None:
        write_comparison(comparison, options.html)
    return 1 if comparison.problems else 0
