"""Grants: what a media session is allowed by, such as `login:ID`. A grant may be renamed or revoked while an offer is answered."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from sfu.errors import NotSignedIn


class Grant:
    """What allows one media session, or one offer that may become one. `name` changes when the grant is renamed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.revoked = False

    def check(self) -> None:
        """Raises NotSignedIn if it was revoked meanwhile."""
        if self.revoked:
            raise NotSignedIn


class Grants:
    """Owns the grants of offers that are being answered. Those of media sessions are the switchboard's, which passes them in."""

    def __init__(self) -> None:
        self._answering: set[Grant] = set()
        self._successors: dict[str, str] = {}  # of the grants that are being renamed

    @contextmanager
    def answering(self, name: str) -> Iterator[Grant]:
        """Yield the grant of an offer until it is answered. A caller that checks the name inside misses neither renaming nor revocation."""
        grant = Grant(self._successors.get(name, name))
        self._answering.add(grant)
        try:
            yield grant
        finally:
            self._answering.discard(grant)

    @contextmanager
    def passing(self, name: str, successor: str, held: Iterable[Grant]) -> Iterator[None]:
        """Rename the grants `held`, those being answered, and those begun inside the context. Leave when the old name is invalid."""
        self._successors[name] = successor
        for grant in (*held, *self._answering):
            if grant.name == name:
                grant.name = successor
        try:
            yield
        finally:
            self._successors.pop(name, None)

    def revoke(self, names: Collection[str]) -> None:
        """Revoke these: an offer that is being answered by one of them is refused."""
        for grant in self._answering:
            if grant.name in names:
                grant.revoked = True
