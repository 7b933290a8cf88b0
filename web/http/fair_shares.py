"""Divides limited places fairly: when all are taken, the person who has most loses one first."""

import asyncio
import contextlib
import logging
import resource
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

from web.errors import TooMany
from web.http.metrics import Sample

logger = logging.getLogger(__name__)

# HTTP and WebSockets; at most half of the descriptors, for rings, recordings, children and ICE over TCP need some too.
MOST_CONNECTIONS = 8192


def most_connections() -> int:
    """How many HTTP connections the server may have open, given how many files this process may open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, files // 2)


class Place:
    """A place that is taken. end: called when the place is given to another person; None: it never is."""

    def __init__(self, person: Hashable, end: Callable[[], object] | None) -> None:
        self.person, self.end = person, end


class Words(NamedTuple):
    """The names of the places: in metrics, in the log, and in refusals (of a person's own limit, of all places)."""

    figure: str
    log: str
    own: str
    all: str


class FairShares:
    """A number of places. Where all are taken, a person who has at least two fewer than the one who has most gets the latter's place that
    was unused longest.

    So each gets at least floor(places / people). With one fewer, two people would take the same place from each other for ever.
    Who loses: the person who has most (`taken`); a new request above the person's own limit, or where all have alike (`refused`).
    """

    def __init__(self, places: int, of_one: int, words: Words, retry_after_s: float = 5.0) -> None:
        self._most, self._of_one, self._words, self._retry_after_s = places, of_one, words, retry_after_s
        self._held: dict[Place, None] = {}  # the place unused longest comes first
        self._has: Counter[Hashable] = Counter()
        self._lost = {"taken": 0, "refused": 0}

    def __len__(self) -> int:
        return len(self._held)

    @contextmanager
    def place(self, person: Hashable, end: Callable[[], object] | None = None) -> Iterator[Place]:
        """A place while the block lasts, or until `end` is called. Raises TooMany."""
        if self._has[person] >= self._of_one:
            raise self._refusal(self._words.own)
        if len(self._held) >= self._most:
            self._take_for(person)
        place = Place(person, end)
        self._held[place] = None
        self._has[person] += 1
        try:
            yield place
        finally:
            self._release(place)

    def touch(self, place: Place) -> None:
        """The place has just been used: others are taken first."""
        if place in self._held:
            self._held[place] = self._held.pop(place)

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        name, what = f"hushcast_{self._words.figure}", self._words.log.capitalize()
        yield Sample(name, "gauge", f"{what}.", len(self._held))
        for reason, count in self._lost.items():
            yield Sample(f"{name}_dropped_total", "counter", f"{what}, refused or ended for others'.", count, {"reason": reason})

    def _take_for(self, person: Hashable) -> None:
        richest, most = max(self._has.items(), key=lambda item: item[1], default=(None, 0))
        victim = next((each for each in self._held if each.person == richest and each.end), None)
        if victim is None or victim.end is None or most < self._has[person] + 2:
            raise self._refusal(self._words.all)
        self._count("taken")
        self._release(victim)
        victim.end()

    def _release(self, place: Place) -> None:
        if place in self._held:
            del self._held[place]
            self._has[place.person] -= 1
            if not self._has[place.person]:
                del self._has[place.person]

    def _refusal(self, why: str) -> TooMany:
        self._count("refused")
        return TooMany(why, retry_after_s=self._retry_after_s)

    def _count(self, reason: str) -> None:
        if not self._lost[reason]:  # logged once; later ones are in the metrics
            logger.warning("%s: one is %s, of %s; later ones are only counted", self._words.log, reason, len(self._held))
        self._lost[reason] += 1


class FairQueue:
    """Lets at most `at_once` run. Waiting people take turns, however many requests each has. Bounded by the number of requests."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}  # the person who is next comes first

    @asynccontextmanager
    async def turn(self, person: Hashable) -> AsyncIterator[None]:
        """Wait for a turn, which lasts as long as the block."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(person)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, person: Hashable) -> None:
        mine = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(person, deque())
        queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                self._pass_on()  # the turn came in the moment of the cancellation
            with contextlib.suppress(ValueError):
                queue.remove(mine)
            if not queue and self._waiting.get(person) is queue:
                del self._waiting[person]
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            person, queue = next(iter(self._waiting.items()))
            del self._waiting[person]
            mine = queue.popleft()
            if queue:
                self._waiting[person] = queue  # behind the others
            if not mine.done():
                mine.set_result(None)
                return
        self._free += 1
