"""What PostgreSQL has said of logins and friendships in the last ten minutes, for a time in which it cannot be asked.

So whoever is signed in may listen, reload and take over while it is away. Only what was granted is kept, only for questions that came
through here, and what ends is forgotten at once, or by the next round where another server has ended it. While PostgreSQL answers, its
answer counts. A SQLite file has no such times: it is away only when somebody has taken it away.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Any, NamedTuple, TypeVar

from aiohttp import web

from db import friendships, links, logins, tokens
from db.connection import Database
from db.errors import Unavailable
from db.tables import ListenLink, Login, Token, User

KEPT_S = 600.0
MOST = 5000  # answers; the one that was used longest ago goes first
AWAY = {"database_away", "database_busy"}
KINDS: dict[type, str] = {Login: "login", Token: "token", ListenLink: "link"}
T = TypeVar("T")


class _Question(NamedTuple):
    function: Callable[..., Any]
    args: tuple[Any, ...]


class _Answer(NamedTuple):
    """What was said and when, and about whom: `login:ID`, `token:ID`, `link:ID`, `user:ID`, `friends:ID`."""

    said: Any
    at: float  # monotonic
    about: frozenset[str]


class Lately:
    """Asks the database; remembers its answers where that is wanted."""

    def __init__(self, database: Database, *, remembers: bool) -> None:
        self._database, self._remembers = database, remembers
        self._answers: OrderedDict[_Question, _Answer] = OrderedDict()
        self._asking: dict[object, set[str]] = {}  # by question that waits for its answer: what was forgotten meanwhile

    async def read(self, function: Callable[..., T], *args: Hashable) -> T:
        """As Database.read, for what can be remembered by its arguments. Raises Unavailable where nothing is known of late."""
        key, forgotten = _Question(function, args), set[str]()
        self._asking[turn := object()] = forgotten
        try:
            said = await self._database.read(function, *args)
        except Unavailable as trouble:
            if trouble.code not in AWAY or not self.knows(function, *args):
                raise
            known: T = self._answers[key].said
            return known
        finally:
            del self._asking[turn]
        if self._remembers:
            self._keep(key, said, forgotten)
        return said

    def _keep(self, key: _Question, said: object, forgotten: Collection[str]) -> None:
        """In place of what was known, unless it was no grant, or what it is about has ended while it was on its way."""
        self._answers.pop(key, None)
        about = frozenset(_about(said, key.args)) if said else frozenset()
        if said and about.isdisjoint(forgotten):
            self._answers[key] = _Answer(said, time.monotonic(), about)
            if len(self._answers) > MOST:
                self._answers.popitem(last=False)

    def knows(self, function: Callable[..., object], *args: Hashable) -> bool:
        """Whether something was granted to this question in the last ten minutes."""
        known = self._answers.get(_Question(function, args))
        return known is not None and time.monotonic() - known.at <= KEPT_S

    def forget(self, about: Collection[str]) -> None:
        """What was known about these has ended or changed."""
        for forgotten in self._asking.values():
            forgotten.update(about)
        for key in [key for key, answer in self._answers.items() if not answer.about.isdisjoint(about)]:
            del self._answers[key]

    async def look_round(self) -> None:
        """Forget what other servers have ended, and what is too old. Raises Unavailable."""
        now = time.monotonic()
        for key in [key for key, answer in self._answers.items() if now - answer.at > KEPT_S]:
            del self._answers[key]
        for kind, gone in ((Login, logins.gone), (Token, tokens.gone), (ListenLink, links.gone)):
            known = {int(answer.said.id) for answer in self._answers.values() if isinstance(answer.said, kind)}
            if known and (ended := await self._database.read(gone, known)):
                self.forget({f"{KINDS[kind]}:{each}" for each in ended})
        if pairs := self._pairs():
            for one, other in await self._database.read(friendships.parted, pairs):
                self.forget({f"friends:{one}", f"friends:{other}"})

    def _pairs(self) -> set[tuple[int, int]]:
        pairs: set[tuple[int, int]] = set()
        for (function, args), answer in self._answers.items():
            if function is friendships.are_friends:
                pairs.add((args[0], args[1]))
            elif function is friendships.friends_of:
                pairs |= {(args[0], friend.id) for friend in answer.said}
        return pairs


def _about(said: object, args: tuple[Any, ...]) -> Iterable[str]:
    if isinstance(said, Login | Token | ListenLink):
        yield from (f"{KINDS[type(said)]}:{said.id}", f"user:{said.user_id}")
    elif isinstance(said, User):
        yield f"user:{said.id}"
    else:  # of friendships: their arguments are users
        yield from (f"friends:{each}" for each in args if isinstance(each, int))


LATELY = web.AppKey("LATELY", Lately)
