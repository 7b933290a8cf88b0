"""Which sockets are told of which name."""

from typing import cast

from web.events.channel import Channel
from web.events.subscriptions import Subscriptions


def channel() -> Channel:
    """Only its identity counts here."""
    return cast(Channel, object())


def test_each_name_has_its_sockets() -> None:
    """A socket is found under the names that it was added to, and under no other; adding it twice changes nothing."""
    subscriptions, first, second = Subscriptions(), channel(), channel()
    for each in (first, second, first):
        subscriptions.add("alice", each)
    subscriptions.add("bob", second)
    assert set(subscriptions.at("alice")) == {first, second}
    assert set(subscriptions.at("bob")) == {second}
    assert not subscriptions.at("carol")
    subscriptions.remove("alice", second)
    subscriptions.remove("carol", second)
    assert set(subscriptions.at("alice")) == {first}
    assert set(subscriptions.at("bob")) == {second}


def test_a_socket_that_leaves_is_forgotten() -> None:
    """After the last socket has left, nothing is kept; leaving twice is harmless."""
    subscriptions, sockets = Subscriptions(), [channel() for _ in range(3)]
    for number, each in enumerate(sockets):
        for name in ("alice", "bob", "carol")[: number + 1]:
            subscriptions.add(name, each)
    for each in [*sockets, sockets[0]]:
        subscriptions.leave(each)
    assert len(subscriptions) == 0
