"""What the nodes tell each other of companion sessions, whose devices may be at different nodes: messages, and how many devices there are.

Who may join is in the database, which all nodes share: a session outlives each of them, and Redis too.
"""

from collections.abc import Callable
from typing import Literal

from web.nodes.event_log import EventLog, devices_key
from web.nodes.records import CompanionDevices, CompanionText
from web.nodes.redis_connection import RedisAway, RedisConnection, RedisRefused

Change = Literal["connected", "disconnected"]


class CompanionStore:
    """Knows of the sessions that have devices here how many they have at the other nodes.

    on_text: called with the id of a session and a message for its devices here; on_devices: when a device at another node has come or
    gone.
    """

    def __init__(self, redis: RedisConnection, events: EventLog, is_there: Callable[[str], bool], own: str) -> None:
        """is_there: says of a node whether it is; own: this one's name."""
        self.on_text: Callable[[str, str], object] = lambda session, text: None
        self.on_devices: Callable[[str, Change], object] = lambda session, status: None
        self._redis, self._events, self._is_there, self._own = redis, events, is_there, own
        self._elsewhere: dict[str, dict[str, int]] = {}  # session -> node -> devices
        self._here: dict[str, CompanionDevices] = {}

    async def begin(self, session: str) -> None:
        """The session is about to have its first device here: hear of it from now on, and ask how many it has elsewhere."""
        known = self._elsewhere.setdefault(session, {})
        try:
            found = await self._redis.ask("HGETALL", devices_key(session))
        except (RedisAway, RedisRefused):
            return
        for node, devices in zip(found[::2], found[1::2], strict=True):
            if devices.isdigit() and node != self._own.encode():
                known.setdefault(node.decode("utf-8", "replace"), int(devices))

    def knows(self, session: str) -> bool:
        """Whether it hears of the session: since `begin`, until `end`."""
        return session in self._elsewhere

    def end(self, session: str) -> None:
        """The session has no device here any more, or is over."""
        self._elsewhere.pop(session, None)
        self._here.pop(session, None)

    def elsewhere(self, session: str) -> int:
        """How many devices it has at other nodes that are there."""
        return sum(devices for node, devices in self._elsewhere.get(session, {}).items() if self._is_there(node))

    def count(self, session: str, devices: int, status: Change, life_s: float) -> None:
        """Tell the others how many devices the session has here now, and what has happened. life_s: how long the session lasts."""
        told = CompanionDevices(session=session, node=self._own, devices=devices, status=status, life_s=max(1, int(life_s)))
        self._here[session] = told
        self._events.tell(told)

    def tell(self, session: str, text: str) -> None:
        """Tell the session's devices at other nodes; not where Redis is away."""
        self._events.tell(CompanionText(session=session, text=text))

    def count_again(self) -> None:
        """Redis may have lost it all."""
        for told in self._here.values():
            self._events.tell(CompanionDevices(session=told.session, node=told.node, devices=told.devices, status=None, life_s=told.life_s))

    def hear(self, told: CompanionText | CompanionDevices) -> None:
        """Another node tells."""
        if told.session not in self._elsewhere:
            return
        if isinstance(told, CompanionText):
            self.on_text(told.session, told.text)
            return
        self._elsewhere[told.session][told.node] = told.devices
        if told.status is not None:
            self.on_devices(told.session, told.status)
