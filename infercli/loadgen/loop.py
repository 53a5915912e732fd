"""The measuring loop of one worker: what is begun when, and what becomes of it. One thread.

Read this first: an answer that is whole is read when there is nothing else to do (0.2 ms each, and hundreds end at
once), so that the connections are read from without delay. And where the kernel stamps arrivals the loop need not be
awake for each: it naps, so that a look finds several tokens of different streams (loadgen/naps.py).
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from infercli.core.bench.refused_fields import refused_field
from infercli.core.traces import RETRY_FIRST_S, RETRY_MOST_S, ErrorKind, Load, Phase, Stop
from infercli.loadgen.absences import AWAY_NS, Absences
from infercli.loadgen.connections import Connections
from infercli.loadgen.exchange import LAG_UNKNOWN, Answer, Call, Exchange, State
from infercli.loadgen.naps import how_long_to_nap_s
from infercli.loadgen.route import Route
from infercli.loadgen.shares import Slots
from infercli.loadgen.target import Requests
from infercli.loadgen.waker import MOST_AT_ONCE, READ, Waker

_POLL_S = 0.05
"""The longest sleep: how late a deadline or a word of the parent may be seen."""
_LOOK_S = 0.005
"""The longest sleep while answers are awaited. One that took longer was not the loop's choice (`Absences`)."""
_REPORT_S = 0.2
_CROWDED_FROM, _CROWDED_UNTIL = 0.85, 0.5
"""Shares of a core, our choice. A loop that takes more than the first is about to fall behind, and then merges tokens
of a stream without choice. Until it takes less than the second it then naps as long as a gap between two reads, and
says that it was short of CPU. In a flood of tokens that saves a third: 5.2 to 3.3 us a token (three runs each)."""
_FEW = 8
"""Sockets ready at once that leave time to read an answer that is whole: a tenth of a millisecond."""
_BATCH = 8
"""Answers that are read instead of a nap: one after the other they cost 0.17 ms each, one at a time 0.25 (measured)."""
_MOST_UNREAD = 512
"""Answers that may wait to be read; of 128 tokens, 40 KB each."""


@dataclass(slots=True)
class Tally:
    """What the loop says of itself, and of a part while it runs."""

    reads: int = 0
    unstamped_reads: int = 0
    crowded_s: float = 0.0
    """In which it was short of CPU, and read in larger pieces."""
    stopped: Stop | None = None
    begun: int = 0
    done: int = 0
    """Answered, failed or cut."""
    failed: int = 0
    output_tokens: int = 0
    ttft_s: float = 0.0
    """Sum over `ttfts` answers."""
    ttfts: int = 0
    tpot_s: float = 0.0
    """Sum over `tpots` answers."""
    tpots: int = 0

    def new_part(self) -> None:
        """What is said of a part begins again."""
        self.begun = self.done = self.failed = self.output_tokens = self.ttfts = self.tpots = 0
        self.ttft_s = self.tpot_s = 0.0


@dataclass(slots=True)
class Part:
    """A stretch of a load, warm-up or the load itself, as far as it is one worker's."""

    origin: int
    """When it begins, nanoseconds of the monotonic clock, like all times here."""
    conversations: Iterator[tuple[int | None, int]]
    """(when it is due, index); in a closed loop None: when its user is free."""
    phase: Callable[[int], Phase]
    """Of a request that is due then."""
    users: int | None = None
    """Of a closed loop: that many at a time, each with its next request when the last was answered."""
    cap: Slots | None = None
    """Of an open loop: room for what is in flight, in all workers."""
    alone: bool = True
    """No other worker waits for that room."""
    requests: Slots | None = None
    """Of a closed loop: how many to begin in all workers, every turn being one,"""
    cooldown: Slots | None = None
    """and how many after them, which are not measured."""
    until: int | None = None
    """Nothing begins that is due then or later."""


class Link(Protocol):
    """The way to whoever started this loop."""

    def fileno(self) -> int:
        """Ready to be read when there is a word."""

    def stop_asked(self) -> Stop | None:
        """Why to stop; None: go on. Called when there may be a word."""

    def report(self, tally: Tally, in_flight: int) -> None:
        """How far it is."""


class Loop:
    """One worker's share of one load."""

    def __init__(
        self, route: Route, requests: Requests, load: Load, link: Link, *, origin: int, stream: bool = True
    ) -> None:
        """`origin`: what the traces count from. `stream`: event streams are asked for, not JSON objects."""
        self.route, self.requests, self.load, self.link, self.stream = route, requests, load, link, stream
        self.tally = Tally()
        self.traces: list[dict[str, Any]] = []
        self.waker = Waker()
        self.connections = Connections(route, load, self.waker.poller, self._finish)
        self.active: set[Exchange] = set()
        self.idle: list[Exchange] = []
        self.waiting: list[tuple[int, int, Call]] = []
        """(when, order, what) that is not due yet."""
        self.ready: deque[tuple[Call, int]] = deque()
        """(what, since when it could have begun)."""
        self.unread: deque[Answer] = deque()
        """Whole answers, whose bytes are looked at when there is nothing else to do."""
        self.queued: deque[Call] = deque()
        """Due, and the cap has no room."""
        self.absences = Absences()
        self.order = self.request = 0
        self.token_reads = self.tokens_read = 0
        """Of answers that were looked at: reads that brought tokens, and those."""
        self.answered = self.failed = self.in_a_row = 0
        """`in_a_row`: failures since the last answer."""
        self.origin = origin
        self.part = Part(origin, iter(()), lambda _: "measured")
        self.waker.poller.register(link.fileno(), READ)

    def close(self) -> None:
        """Free what it holds. What is still in flight is cut."""
        now = time.monotonic_ns()
        while self.unread:
            self._read(self.unread.popleft())
        for user in [*self.active]:
            self.traces.append(user.answer.cut_short(now, self.origin, stream=self.stream))
            self.connections.close(user)
        for user in self.idle:
            self.connections.close(user)
        self.waker.close()
        self.connections.clock.close()

    def run(self, part: Part) -> None:
        """Make every call of a part and wait for its answer, or until told to stop."""
        self.tally.new_part()
        self.part = part
        now = time.monotonic_ns()
        self.connections.clock.compare(now)
        for _ in range(1 if part.users is None else part.users):
            self._pull(part.origin, now)
        checked = reported = woke = since = now
        nap_s, seen, begun, clock = 0.0, 0, self.request, self.connections.clock
        looked_at, tokens_per_read = (0, 0), 1.0
        cpu, crowded = time.process_time_ns(), False
        unstamped = clock.unstamped
        wait, by_fd, timer, link = self.waker.wait, self.connections.by_fd, self.waker.timer, self.link.fileno()
        readable, reading, ready, waiting, monotonic_ns = (
            self.connections.readable, State.READING, self.ready, self.waiting, time.monotonic_ns
        )  # fmt: skip
        advance = self.connections.advance
        events: list[tuple[int, int]] = []
        while self.active or waiting or self.queued or ready:
            if waiting and waiting[0][0] <= now:
                self._offer_what_is_due(now)
            while ready:
                self._begin(*ready.popleft())
            # As many as one look takes: there may be more, unless that was every stream.
            all_seen = len(events) < MOST_AT_ONCE or len(events) >= len(self.active)
            napping = nap_s > 0 and all_seen and not (waiting and waiting[0][0] - now < 2e9 * nap_s)
            if napping and len(self.unread) >= _BATCH:
                napping = False
                for _ in range(_BATCH):
                    self._read(self.unread.popleft())
            at_rest, longest_s = monotonic_ns(), _LOOK_S if self.active else _POLL_S
            if napping:
                time.sleep(nap_s)
            events = wait(longest_s, waiting[0][0] if waiting else None, now)
            now = monotonic_ns()
            # Away while it worked, and for what its rest took more than it was to take.
            overslept = max(0, now - at_rest - round((longest_s + nap_s * napping) * 1e9))
            if overslept > AWAY_NS and not events:
                events = wait(0.0, None, now)  # who was stopped in his sleep wakes to nothing, whatever came meanwhile
            if all_seen:
                since = now - (at_rest - woke) - overslept
            woke = now
            seen += len(events)
            for fd, mask in events:
                user = by_fd.get(fd)
                if user is not None:
                    if user.state is reading and mask & READ:
                        readable(user)
                    else:
                        advance(user, mask)
                    while ready:
                        self._begin(*ready.popleft())
                elif fd == timer:
                    self.waker.rang()
                elif fd == link:
                    self.tally.stopped = self.tally.stopped or self.link.stop_asked()
                elif self.queued:
                    self._begin_queued(woke)
            if self.unread and not nap_s and len(events) < _FEW:
                self._read(self.unread.popleft())
            while len(self.unread) > _MOST_UNREAD:
                self._read(self.unread.popleft())
            now = monotonic_ns()
            if now - since > AWAY_NS:
                self.absences.note(woke, now, since)
            if now - checked > _POLL_S * 1e9:
                nap_s, before, cpu = 0.0, cpu, time.process_time_ns()
                window_s = (now - checked) / 1e9
                self.tally.crowded_s += window_s * crowded
                crowded = cpu - before > (_CROWDED_UNTIL if crowded else _CROWDED_FROM) * (now - checked)
                if clock.reason is None and clock.unstamped == unstamped:
                    new = self.request - begun
                    if self.token_reads > looked_at[0]:
                        tokens_per_read = (self.tokens_read - looked_at[1]) / (self.token_reads - looked_at[0])
                        looked_at = self.token_reads, self.tokens_read
                    nap_s = how_long_to_nap_s(
                        len(self.active), window_s, seen, new, tokens_per_read=tokens_per_read, crowded=crowded
                    )
                checked, seen, begun, unstamped = now, 0, self.request, clock.unstamped
                if now > self.connections.clock.compare_at:
                    self.connections.clock.compare(now)
                self._check_deadlines(now)
            if self.tally.stopped is not None:
                break
            if now - reported > _REPORT_S * 1e9:
                reported = now
                self.link.report(self.tally, len(self.active) + len(self.queued))
        while self.unread:
            self._read(self.unread.popleft())
        self.waiting.clear()
        if self.queued:
            self._watch_cap(self.waker.poller.unregister)
        self.queued.clear()
        ready.clear()
        self.link.report(self.tally, len(self.active))

    def _offer_what_is_due(self, now: int) -> None:
        """Let begin what is due, as far as the cap has room."""
        part, waiting = self.part, self.waiting
        while waiting and waiting[0][0] <= now:
            call = heapq.heappop(waiting)[2]
            if part.users is None and call.turn == 0:
                self._pull(part.origin, now)
            if part.cap is None or (not self.queued and part.cap.take()):
                self.ready.append((call, call.due))
                continue
            if not self.queued:
                self._watch_cap(lambda fd: self.waker.poller.register(fd, READ))
            self.queued.append(call)

    def _watch_cap(self, how: Callable[[int], object]) -> None:
        """Be told of room that others leave, or no more; what this worker leaves it takes itself where it is alone."""
        cap = self.part.cap
        if cap is not None and cap.fd is not None and not self.part.alone:
            how(cap.fd)

    def _begin_queued(self, room_since: int) -> None:
        """As many of those that wait for the cap as there is room for."""
        cap = self.part.cap
        assert cap is not None
        while self.queued and cap.take():
            following = self.queued.popleft()
            self.ready.append((following, max(following.due, room_since)))
        if not self.queued:
            self._watch_cap(self.waker.poller.unregister)

    def _pull(self, at: int, now: int) -> None:
        """The next conversation begins: in a closed loop `at`, in an open one when it is due."""
        part = self.part
        phase = None if part.users is None else self._phase_of_one_more(at)
        if part.users is not None and phase is None:
            return
        following = next(part.conversations, None)
        if following is None:
            return
        due, conversation = following
        due = at if due is None else due
        self._add(Call(conversation, 0, due, phase or part.phase(due)), now)

    def _add(self, call: Call, now: int) -> None:
        if call.due <= now and self.part.users is not None:
            self.ready.append((call, call.due))
            return
        self.order += 1
        heapq.heappush(self.waiting, (call.due, self.order, call))

    def _phase_of_one_more(self, due: int) -> Phase | None:
        """Of a request that is then ours; None: no more are wanted. The arrivals of an open loop end by themselves."""
        part = self.part
        if self.tally.stopped is not None or (part.until is not None and due >= part.until):
            return None
        if part.requests is None or part.requests.take():
            return part.phase(due)
        return "cooldown" if part.cooldown is not None and part.cooldown.take() else None

    def _begin(self, call: Call, possible_at: int) -> None:
        now = time.monotonic_ns()
        user = self.idle.pop() if self.idle else Exchange()
        user.answer = Answer(call, self.request)
        user.answer.late = max(0, now - possible_at)
        self.request += 1
        requests = self.requests
        self.tally.begun += 1
        self.active.add(user)
        if call.turn == 0:
            request = requests.first[call.conversation]
        else:
            request = requests.turn(call.conversation, call.turn, call.answers)
        self.connections.send(user, request, now)

    def _check_deadlines(self, now: int) -> None:
        for user in [u for u in self.active if now >= u.deadline]:
            if user.state in (State.CONNECTING, State.TUNNEL, State.HANDSHAKE):
                self._finish(user, "timeout", f"no connection within {self.load.connect_timeout_s:g} s")
            else:
                self._finish(user, "timeout", self._too_late())

    def _too_late(self) -> str:
        return f"not finished within {self.load.timeout_s:g} s"

    def _finish(
        self, user: Exchange, error: ErrorKind | None = None, message: str | None = None, *, close: bool = False
    ) -> None:
        now = time.monotonic_ns()
        user.state = State.IDLE
        if error is not None or close or not user.may_be_kept():
            self.connections.close(user)
        self.active.discard(user)
        answer, part = user.answer, self.part
        if error is None and answer.stamps[-1] > user.deadline:
            # It came whole between two looks at the deadlines.
            error, message = "timeout", self._too_late()
        answer.ended, answer.error, answer.message = now, error, message
        call = answer.call
        turns = self.requests.conversations[call.conversation].turns
        goes_on = call.turn + 1 < len(turns)
        # What is plainly well is read later, so that nobody waits for the reading; a fault is known at once.
        later = self.stream and not goes_on and answer.looks_well()
        if later:
            self.unread.append(answer)
        well = later or self._read(answer)
        self.idle.append(user)
        # When the kernel had the last byte, so that what the client takes to see it counts as its own delay.
        free_at = answer.stamps[-1] if well else now + self._rest()
        if well:
            self.in_a_row = 0
        if well and goes_on:
            due = free_at + round(turns[call.turn + 1].think_s * 1e9)
            phase = self._phase_of_one_more(due)
            if phase is not None:
                answers = (*call.answers, answer.text())
                self._add(Call(call.conversation, call.turn + 1, due, phase, answers), now)
        elif part.users is not None:
            self._pull(free_at, now)
        if part.cap is not None:
            part.cap.give()
            # Where others wait too, whoever wakes first takes it: one that always went on itself would starve them.
            if self.queued and part.alone:
                self._begin_queued(answer.stamps[-1] if well else now)

    def _rest(self) -> int:
        """Nanoseconds that a user waits whose request failed."""
        self.in_a_row += 1
        return round(min(RETRY_MOST_S, RETRY_FIRST_S * 2.0 ** min(self.in_a_row - 1, 30)) * 1e9)

    def _in_vain(self, taken: dict[str, Any]) -> Stop | None:
        """Why to send no more where nothing was answered yet; None: it is too early to say."""
        field = refused_field(taken.get("status"), taken["message"])
        if field is not None and field not in self.requests.target.without:
            return Stop(kind="gave up", detail=f"the endpoint refuses `{field}`")
        if self.failed < self.load.give_up_after:
            return None
        return Stop(kind="gave up", detail=f"the first {self.failed} requests failed and none was answered")

    def _read(self, answer: Answer) -> bool:
        """Look at what came back; False where it is a failure."""
        taken = answer.taken(self.origin, stream=self.stream)
        if "frames" in taken:
            self.token_reads += len(taken["frames"]) - taken["frames"].count(0)
            self.tokens_read += sum(taken["frames"])
            taken["away"] = self.absences.before_pieces(answer.stamps, answer.lags, taken["frames"], answer.sent)
        self.traces.append(taken)
        self.tally.reads += len(answer.lags)
        self.tally.unstamped_reads += answer.lags.count(LAG_UNKNOWN)
        well = taken["error"] is None
        self._count(taken, answered=well)
        return well

    def _count(self, taken: dict[str, Any], *, answered: bool) -> None:
        tally = self.tally
        tally.done += 1
        if not answered:
            self.failed += 1
            tally.failed += 1
            if not self.answered and tally.stopped is None:
                tally.stopped = self._in_vain(taken)
            return
        self.answered += 1
        frames, tokens = taken.get("frames") or (), taken["completion_tokens"]
        tokens = sum(frames) if tokens is None else tokens
        tally.output_tokens += tokens
        first = next((i for i, n in enumerate(frames) if n), None)
        if first is not None:
            stamps = taken["stamps"]
            last = next(i for i in range(len(frames) - 1, -1, -1) if frames[i])
            tally.ttft_s += (stamps[first] - self.origin) / 1e9 - taken["sent_s"]
            tally.ttfts += 1
            tokens -= taken["hidden_tokens"]
            if last > first and tokens > 1:
                tally.tpot_s += (stamps[last] - stamps[first]) / 1e9 / (tokens - 1)
                tally.tpots += 1
