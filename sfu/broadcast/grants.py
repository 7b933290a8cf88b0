"""By what somebody sends and hears (`login:ID`, say). It may pass to another or end at any time, also while an offer is being answered."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from sfu.errors import NotSignedIn


class Grant:
    """What one resource, or one offer that may become one, rests on. `name` changes where it passes to another."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.revoked = False

    def check(self) -> None:
        """Raises NotSignedIn where it was revoked meanwhile."""
        if self.revoked:
            raise NotSignedIn


class Grants:
    """Knows the grants of the offers that are being answered. Those of resources are the switchboard's, which tells of them here."""

    def __init__(self) -> None:
        self._answering: set[Grant] = set()
        self._successors: dict[str, str] = {}  # of those that pass to another just now

    @contextmanager
    def answering(self, name: str) -> Iterator[Grant]:
        """The grant of an offer until it is answered. Whoever then finds the name good misses neither its passing nor its end."""
        grant = Grant(self._successors.get(name, name))
        self._answering.add(grant)
        try:
            yield grant
        finally:
            self._answering.discard(grant)

    @contextmanager
    def passing(self, name: str, successor: str, held: Iterable[Grant]) -> Iterator[None]:
        """What rests on one name rests on another from now on, and what begins while this lasts: until the first is good no longer."""
        self._successors[name] = successor
        for grant in (*held, *self._answering):
            if grant.name == name:
                grant.name = successor
        try:
            yield
        finally:
            self._successors.pop(name, None)

    def revoke(self, names: Collection[str]) -> None:
        """These are good no longer: an offer that is being answered by one will be refused."""
        for grant in self._answering:
            if grant.name in names:
                grant.revoked = True
