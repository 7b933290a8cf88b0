"""Fair shares of places, and turns in a queue."""

import asyncio
import itertools
import random
from contextlib import ExitStack

import pytest

from web.errors import TooMany
from web.http.fair_shares import FairQueue, FairShares, Words

WORDS = Words("seats", "seats", "You have enough.", "All are taken.")


class Room:
    """Places, who holds them, and who has lost one."""

    def __init__(self, places: int, of_one: int) -> None:
        self.shares, self.held, self.lost = FairShares(places, of_one, WORDS), {}, []  # type: ignore[var-annotated]
        self._numbers = itertools.count()

    def enter(self, person: str) -> int:
        number, stack = next(self._numbers), ExitStack()
        place = stack.enter_context(self.shares.place(person, lambda: self.lost.append(self.held.pop(number)[0])))
        self.held[number] = person, stack, place
        return number

    def has(self, person: str) -> int:
        return sum(each[0] == person for each in self.held.values())

    def leave(self) -> None:
        for _, stack, _ in list(self.held.values()):
            stack.close()


def test_three_people_do_not_keep_all_places() -> None:
    """Of 24 places that three people hold, a fourth gets six, two from each; the next request is refused."""
    room = Room(24, 8)
    for person in "abc" * 8:
        room.enter(person)
    for _ in range(6):
        room.enter("d")
    with pytest.raises(TooMany, match="All are taken"):
        room.enter("d")
    assert [room.has(person) for person in "abcd"] == [6, 6, 6, 6] and sorted(room.lost) == list("aabbcc")
    room.leave()
    assert len(room.shares) == 0


def test_whoever_asks_gets_her_part() -> None:
    """A person with fewer than places / people is never refused, and nobody loses a place to one who has as many."""
    chance = random.Random(1)
    for _ in range(200):
        places, people = chance.randint(1, 12), "abcdefgh"[: chance.randint(1, 8)]
        room = Room(places, chance.randint(1, places))
        for _ in range(60):
            person = chance.choice(people)
            had, before = room.has(person), len(room.lost)
            part = places // len({person, *(each[0] for each in room.held.values())})
            try:
                room.enter(person)
            except TooMany:
                assert had >= min(part, room.shares._of_one)
            assert len(room.held) <= places
            assert all(room.has(loser) > had for loser in room.lost[before:])
        room.leave()


def test_what_has_rested_longest_goes() -> None:
    """The place unused longest is taken, and the metrics count it."""
    room = Room(3, 3)
    first, second, third = room.enter("a"), room.enter("a"), room.enter("a")
    room.shares.touch(room.held[first][2])
    room.enter("b")
    assert second not in room.held and {first, third} <= set(room.held)
    with pytest.raises(TooMany):
        room.enter("b")
    values = {sample.labels.get("reason"): sample.value for sample in room.shares.samples()}
    assert values == {None: 3, "taken": 1, "refused": 1}
    room.leave()


async def test_turns_go_round_by_person() -> None:
    """A person with ten requests does not delay one with a single request; cancelled requests are skipped."""
    turns, order, gate = FairQueue(1), [], asyncio.Event()  # type: ignore[var-annotated]

    async def work(person: str) -> None:
        async with turns.turn(person):
            await gate.wait()
            order.append(person)

    async with asyncio.timeout(20):
        tasks = [asyncio.create_task(work(person)) for person in "aaaaabbc"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert order == list("aabcaba")
    assert turns._free == 1 and not turns._waiting


async def test_a_turn_that_comes_as_it_is_given_up_goes_on() -> None:
    """A turn given at the moment of its cancellation goes to the next; none is lost."""
    chance = random.Random(2)
    for _ in range(200):
        turns, inside = FairQueue(2), 0

        async def work(person: int, turns: FairQueue = turns) -> None:
            nonlocal inside
            async with turns.turn(person):
                inside += 1
                try:
                    assert inside <= 2
                    for _ in range(chance.randint(0, 2)):
                        await asyncio.sleep(0)
                finally:
                    inside -= 1

        tasks = [asyncio.create_task(work(chance.randint(0, 3))) for _ in range(12)]
        for _ in range(chance.randint(0, 6)):
            await asyncio.sleep(0)
            chance.choice(tasks).cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(each) for each in ended} <= {type(None), asyncio.CancelledError}
        assert turns._free == 2 and not turns._waiting and inside == 0
