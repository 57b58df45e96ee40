"""From deliveries to a provider: one line for each credential, so that a dead provider holds up nobody else's pushes.

What is due stands in PostgreSQL. A line takes as much of it as it can send, asks the rules once more about what is not
fresh, tries, and writes down what came of it while the next tries are under way.
"""

import asyncio
import logging
import random
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from domain.errors import Unavailable
from domain.notifications import Reason, Send, Wait
from domain.preferences import Channel
from domain.reasons import Trouble
from domain.times import from_ms
from storage.deliveries import Outcome, Try, claim, load_superseded, save_outcomes
from storage.device_removal import DeadToken, remove
from storage.encryption import KeyRing, Unreadable
from storage.notifications import load_pending
from storage.postgres import Database
from workers.push.asking import EMAIL, Asked, Asking
from workers.push.breaker import Breaker
from workers.push.counts import PushCounts
from workers.push.outgoing import SEND_MAX_S, Answer, Content, Outgoing, Provider, Verdict

ATTEMPTS = 5
RETRY_FACTOR = 4
RETRY_MAX_S = 600.0
CLAIMED_FOR = timedelta(seconds=3 * SEND_MAX_S)  # one before it and its own, and some
FRESH_MS = 2_000  # what was decided less than that ago is not asked about again
ALARM_EVERY_S = 60.0  # in the log; the counter has all
SERVERS_MAX = 1_000  # whose state is remembered
IDLE_S = 1.0
AWAY_S = 1.0

log = logging.getLogger("hugmood.push")

_decoder = msgspec.json.Decoder(Content)


class Line:
    """The way to one provider. `run` it until it is cancelled; what is under way then is finished first."""

    def __init__(
        self,
        provider: Provider,
        database: Database,
        ring: KeyRing,
        asking: Asking,
        counts: PushCounts,
        clock: Callable[[], int],
        retry_s: float,
        server_of: Callable[[str], str] | None = None,
    ) -> None:
        """*retry_s*: the most that the first retry waits; each further one up to four times as long.

        *server_of* a token, where a provider has several that fail apart: each has a breaker of its own.
        """
        self._provider = provider
        self._database = database
        self._ring = ring
        self._asking = asking
        self._counts = counts
        self._clock = clock
        self._retry_s = retry_s
        self._server_of = server_of
        self._breaker = Breaker()
        self._servers: dict[str, Breaker] = {}
        self._alarmed_at = -ALARM_EVERY_S
        self._waiting: deque[Try] = deque()  # taken and not begun
        self._has_more = False  # the last claim found as much as it asked for
        self._flying: set[asyncio.Task[None]] = set()
        self._ended: list[Outcome] = []
        self._dead: list[DeadToken] = []
        self._saving = asyncio.Lock()
        self._is_behind = False  # something could not be written
        self._wake = asyncio.Event()
        self._write = asyncio.Event()

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled; what is under way then has `SEND_MAX_S` to end."""
        writer = asyncio.create_task(self._write_for_ever(), name=f"{self._provider.name} outcomes")
        try:
            async with self._provider:
                try:
                    await self._send_for_ever()
                finally:
                    await self._finish()
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
            with suppress(Unavailable):
                await self._save()

    async def _send_for_ever(self) -> None:
        while True:
            self._wake.clear()
            try:
                taken = await self._take()
            except Exception as error:
                if not isinstance(error, Unavailable):
                    log.exception("deliveries could not be taken", extra={"provider": self._provider.name})
                await asyncio.sleep(AWAY_S)
                continue
            self._begin()
            self._counts.in_flight[self._provider.name] = len(self._flying)
            self._counts.open_breakers[self._provider.name] = self._breaker.is_open
            if not taken:
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_S):
                        await self._wake.wait()

    async def _take(self) -> bool:
        """Claim what may be begun soon. True: there may be more to do at once. Raises: Unavailable."""
        if self._is_behind:  # what was answered meanwhile must not be taken for lost
            await self._save()
        most = self._provider.in_flight_max
        if self._breaker.is_open:
            self._give_back()
            wanted = self._breaker.allowed(time.monotonic(), len(self._flying), most)
        else:
            wanted = 0 if len(self._waiting) >= most // 2 else most
        if not wanted:
            return False
        now = self._now()
        tries = await claim(self._database, self._provider.name, now, now + CLAIMED_FOR, wanted)
        self._has_more = len(tries) == wanted and not self._breaker.is_open
        self._waiting += await self._sift(tries, now)
        return self._has_more and len(self._waiting) < most // 2

    def _give_back(self) -> None:
        """Nothing gets through: what was taken and not begun waits in PostgreSQL."""
        due = self._now() + timedelta(seconds=self._breaker.wait_s(time.monotonic()))
        while self._waiting:
            self._end(Outcome(self._waiting.popleft().id, "queued", Trouble.PROVIDER_AWAY, due, is_void=True))

    async def _sift(self, tries: Sequence[Try], now: datetime) -> list[Try]:
        """Those of *tries* that are to be made. Raises: Unavailable."""
        now_ms = self._clock()
        good, stale = [], []
        for each in tries:
            if now_ms >= each.expires_ms:
                self._end(Outcome(each.id, "expired", Reason.EXPIRED, is_void=True))
            elif each.attempts > ATTEMPTS:
                self._end(Outcome(each.id, "dead", Trouble.NO_ANSWER, is_void=True))
            elif each.token is None and (each.device is not None or self._provider.name == EMAIL):
                self._end(Outcome(each.id, "suppressed", Reason.NO_DEVICE, is_void=True))
            elif each.attempts == 1 and now_ms - each.created_ms < FRESH_MS:
                good.append(each)
            else:
                stale.append(each)
        return good + (await self._ask_again(stale, now) if stale else [])

    async def _ask_again(self, tries: Sequence[Try], now: datetime) -> list[Try]:
        """Those that are still to be made: what has waited must not come in place of what is newer."""
        superseded = await load_superseded(self._database, [each.id for each in tries])
        for old in superseded:
            self._end(Outcome(old, "suppressed", Trouble.SUPERSEDED, is_void=True))
        tries = [each for each in tries if each.id not in superseded]
        channel = Channel.EMAIL if self._provider.name == EMAIL else Channel.PUSH
        spans = [(each.first_seq, each.last_seq) for each in tries]
        kinds = [each.kind for each in tries]
        users = [each.user for each in tries]
        pending = await load_pending(self._database, users, kinds, [channel] * len(tries), spans)
        by_burst: dict[tuple[str, str], list[Asked]] = defaultdict(list)
        for asked in (await self._asking.ask(pending, now)).asked:
            by_burst[asked.pending.user, asked.pending.kind].append(asked)
        good = []
        for each in tries:
            speaks_of = [
                asked
                for asked in by_burst[each.user, each.kind]
                if each.first_seq <= asked.pending.seq <= each.last_seq and not asked.pending.is_waiting
            ]
            outcome = _reconsidered(each, speaks_of)
            if outcome is None:
                good.append(each)
            else:
                self._end(outcome)
        return good

    def _begin(self) -> None:
        most = self._provider.in_flight_max
        # It may have opened while the claim was under way: the rest goes back with the next one.
        while self._waiting and self._breaker.allowed(time.monotonic(), len(self._flying), most):
            task = asyncio.create_task(self._try(self._waiting.popleft()), name=f"{self._provider.name} push")
            self._flying.add(task)
            task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a push failed", exc_info=error, extra={"provider": self._provider.name})
        if not self._breaker.is_open:
            self._begin()
            if self._has_more and len(self._waiting) < self._provider.in_flight_max // 2:
                self._wake.set()

    def _breaker_of(self, to: str) -> Breaker:
        if self._server_of is None:
            return self._breaker
        server = self._server_of(to)
        if server not in self._servers and len(self._servers) >= SERVERS_MAX:
            del self._servers[next(iter(self._servers))]
        return self._servers.setdefault(server, Breaker())

    async def _try(self, each: Try) -> None:
        started_ms = self._clock()
        try:
            to = self._address(each)
        except Unreadable as error:
            log.error("a token cannot be read", extra={"reason": str(error)})  # noqa: TRY400  the text says where
            self._end(Outcome(each.id, "failed", Trouble.UNREADABLE_TOKEN))
            return
        breaker, now = self._breaker_of(to), time.monotonic()
        is_probe = breaker.is_open
        if is_probe and breaker is not self._breaker:
            if not breaker.allowed(now, 0, 1):
                due = self._now() + timedelta(seconds=breaker.wait_s(now) + random.uniform(0.05, 1.0))  # noqa: S311  jitter
                self._end(Outcome(each.id, "queued", Trouble.PROVIDER_AWAY, due, is_void=True))
                return
            breaker.probe(now, SEND_MAX_S)
        outgoing = Outgoing(
            id=each.id,
            user=each.user,
            to=to,
            content=_decoder.decode(each.content),
            ttl_s=max(1, (each.expires_ms - started_ms) // 1000),
        )
        answer = await self._provider.send(outgoing)
        self._note(each, answer, breaker)
        self._end(self._outcome(each, answer, started_ms, is_probe))

    def _address(self, each: Try) -> str:
        if each.token is None:
            return ""
        if each.device is None:
            return each.token.decode()
        return self._ring.open(each.token, "devices", "token", each.device)

    def _note(self, each: Try, answer: Answer, breaker: Breaker) -> None:
        name = self._provider.name
        self._counts.tries[name, "silent" if answer.is_silent else answer.verdict] += 1
        if answer.verdict is Verdict.RETRY:
            throttled = each.user if answer.is_throttled else None
            breaker.failed(time.monotonic(), answer.retry_after_s, throttled)
        elif answer.is_of_all:
            breaker.failed(time.monotonic())
        else:
            breaker.succeeded()
        if answer.verdict is Verdict.MISCONFIGURED:
            self._counts.misconfigured[name] += 1
            if time.monotonic() >= self._alarmed_at + ALARM_EVERY_S:
                self._alarmed_at = time.monotonic()
                log.error("a provider refuses our configuration", extra={"provider": name, "answer": answer.detail})

    def _outcome(self, each: Try, answer: Answer, started_ms: int, is_probe: bool) -> Outcome:
        verdict, detail = answer.verdict, _storable(answer.detail)
        if verdict is Verdict.ACCEPTED:
            return Outcome(each.id, "accepted", None, None, detail, _storable(answer.ref))
        if verdict is Verdict.GONE:
            if each.device is not None and each.token_hash is not None:
                since_ms = answer.gone_since_ms if answer.gone_since_ms is not None else started_ms
                self._dead.append(DeadToken(each.device, each.token_hash, from_ms(since_ms)))
            return Outcome(each.id, "dead", Trouble.TOKEN_GONE, None, detail)
        if verdict is not Verdict.RETRY and not answer.is_of_all:
            return Outcome(each.id, "failed", Trouble(verdict), None, detail)
        # Neither a probe, which is made for all that wait, nor what is the operator's to mend uses up a try.
        is_void = is_probe or answer.is_of_all
        if each.attempts >= ATTEMPTS and not is_void:
            return Outcome(each.id, "dead", Trouble.GAVE_UP, None, detail)
        due = self._now() + timedelta(seconds=self._backoff_s(each.attempts, answer.retry_after_s))
        if due >= from_ms(each.expires_ms):
            return Outcome(each.id, "expired", Reason.EXPIRED, None, detail)
        reason = Trouble.MISCONFIGURED if answer.is_of_all else Trouble.RETRY
        return Outcome(each.id, "queued", reason, due, detail, is_void=is_void)

    def _backoff_s(self, attempt: int, retry_after_s: float) -> float:
        longest = min(RETRY_MAX_S, self._retry_s * RETRY_FACTOR ** (attempt - 1))
        return retry_after_s + random.uniform(min(0.05, longest), longest)  # noqa: S311  jitter

    def _end(self, outcome: Outcome) -> None:
        self._ended.append(outcome)
        self._write.set()

    async def _write_for_ever(self) -> None:
        while True:
            await self._write.wait()
            self._write.clear()
            try:
                await self._save()
                continue
            except Unavailable:
                pass
            except Exception:
                log.exception("outcomes could not be written", extra={"provider": self._provider.name})
            await asyncio.sleep(AWAY_S)
            self._write.set()

    async def _save(self) -> None:
        """Write what has ended. Should it fail, it is written before anything else is taken. Raises: Unavailable."""
        async with self._saving:
            ended, self._ended = self._ended, []
            dead, self._dead = self._dead, []
            try:
                if ended:
                    await save_outcomes(self._database, ended, self._now())
                    ended = []
                if dead:
                    await self._remove(dead)
                    dead = []
            finally:
                self._is_behind = bool(ended or dead)
                self._ended = ended + self._ended
                self._dead = dead + self._dead

    async def _remove(self, dead: Sequence[DeadToken]) -> None:
        name = self._provider.name
        removal = await remove(self._database, name, dead, self._now())
        self._counts.removed[name] += removal.removed
        if removal.held_back:
            self._counts.held_back[name] += removal.held_back
        if removal.is_alarming:
            self._counts.alarms[name] += 1
            log.error(
                "more than 5 % of the tokens were declared dead within 5 minutes: is it the right project, bundle and key?",
                extra={"provider": name, "removed": removal.removed, "kept": removal.held_back},
            )

    async def _finish(self) -> None:
        self._give_back()
        if self._flying:
            await asyncio.wait(self._flying, timeout=SEND_MAX_S)
        for task in self._flying:
            task.cancel()

    def _now(self) -> datetime:
        return from_ms(self._clock())


def _storable(text: str | None) -> str | None:
    """PostgreSQL takes neither NUL nor half of a surrogate pair, and refuses all that is written with them."""
    return text.replace("\0", "").encode(errors="replace").decode() or None if text is not None else None


def _reconsidered(each: Try, speaks_of: Sequence[Asked]) -> Outcome | None:
    """What becomes of a try instead of being made; None: it is made."""
    decisions = [asked.decision for asked in speaks_of]
    if any(isinstance(decision, Send) for decision in decisions):
        return None
    waits = [decision for decision in decisions if isinstance(decision, Wait)]
    if waits:
        first = min(waits, key=lambda wait: wait.until_ms)
        return Outcome(each.id, "queued", first.reason, from_ms(first.until_ms), is_void=True)
    reasons = [decision.reason for decision in decisions if not isinstance(decision, Send)]
    return Outcome(each.id, "suppressed", reasons[-1] if reasons else Reason.ACKED, is_void=True)
