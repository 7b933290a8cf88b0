"""Which sockets are told of which name."""

from collections.abc import Collection

from web.events.channel import Channel


class Subscriptions:
    """Sockets by the names that they are told of. The cost of leaving depends only on the names of the socket that leaves."""

    def __init__(self) -> None:
        self._by_name: dict[str, set[Channel]] = {}
        self._by_channel: dict[Channel, set[str]] = {}

    def at(self, name: str) -> Collection[Channel]:
        """The sockets that are told of this name."""
        return self._by_name.get(name, ())

    @property
    def names(self) -> Collection[str]:
        """The names of which any socket is told."""
        return self._by_name.keys()

    def told_of(self, channel: Channel) -> Collection[str]:
        """The names of which this socket is told."""
        return self._by_channel.get(channel, ())

    def add(self, name: str, channel: Channel) -> None:
        self._by_name.setdefault(name, set()).add(channel)
        self._by_channel.setdefault(channel, set()).add(name)

    def remove(self, name: str, channel: Channel) -> None:
        if channel in self._by_name.get(name, ()):
            self._by_channel[channel].discard(name)
            self._by_name[name].discard(channel)
            if not self._by_name[name]:
                del self._by_name[name]

    def leave(self, channel: Channel) -> Collection[str]:
        """Remove a socket from all names; which those were."""
        names = list(self._by_channel.get(channel, ()))
        for name in names:
            self.remove(name, channel)
        self._by_channel.pop(channel, None)
        return names

    def __len__(self) -> int:
        return len(self._by_name) + len(self._by_channel)
