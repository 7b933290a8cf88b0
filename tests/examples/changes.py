"""Documents that are another's in one name: what a client made for the right ones has to stumble over."""

import json
from typing import Any, NamedTuple

from tests.web.interface import interface, sockets


class Change(NamedTuple):
    """In one document, that of the routes or that of the sockets, a name gives way to another. needed_to: the act that needs it."""

    of_routes: bool
    name: str
    needed_to: str

    def __str__(self) -> str:
        return f"{self.name} ({self.needed_to})"


CHANGES = (
    Change(True, "/api/companions", "chords"),
    Change(True, "password", "watch"),
    Change(True, "application/sdp", "publish"),
    Change(True, "practice", "chords"),
    Change(True, "id", "chords"),
    Change(False, "/ws/session/{id}", "chords"),
    Change(False, "all_statuses", "watch"),
    Change(False, "is_streaming", "watch"),
    Change(False, "username", "watch"),
    Change(False, "chord_change", "chords"),
    Change(False, "chord", "chords"),
)


def changed(change: Change) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both documents, one with the change: of the routes, of the sockets."""
    text, name = json.dumps(interface() if change.of_routes else sockets()), json.dumps(change.name)
    assert name in text, f"the document has no {name}"
    other = json.loads(text.replace(name, json.dumps(f"{change.name}_2")))
    return (other, sockets()) if change.of_routes else (interface(), other)
