"""What the directory in Redis holds, as structs: whoever reads one from there gets it checked. Pure."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

WIRE = 1  # version of what nodes tell each other; nodes of different versions place nothing at each other

URL = r"(?i)^(https?://[^/?#\\\s]+(/[^?#\\\s]*)?)?\Z"
NodeName = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}$")]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Count = Annotated[int, Meta(ge=0, le=2**53)]  # Redis' Lua has floats


class NodeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One server among several. url: where other nodes reach its HTTP, empty where they cannot; boot: of this run of its process; mac: says
    that name, url and boot are of somebody who knows `node.secret`.
    """

    name: NodeName
    url: Annotated[str, Meta(max_length=300, pattern=URL)] = ""
    wire: Count = WIRE
    boot: Annotated[str, Meta(max_length=64)] = ""
    state: Literal["serving", "draining"] = "serving"
    load: Annotated[float, Meta(ge=0, le=1)] = 0.0  # 0 idle, 1 full
    broadcasts: Count = 0
    listeners: Count = 0
    mac: Annotated[str, Meta(max_length=64)] = ""


class AirRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A user's broadcast and the node that has it. What has a higher epoch is newer; within one run of a node, a higher sequence.

    since: RFC 3339. state ended: what remains, so that an old epoch does not come back.
    """

    username: Name
    broadcast: Annotated[str, Meta(max_length=64)]
    node: NodeName
    epoch: Count
    since: Annotated[str, Meta(max_length=40)] | None = None
    title: Annotated[str, Meta(max_length=1000)] | None = None
    state: Literal["waiting", "live", "parked", "ended"] = "live"
    boot: Annotated[str, Meta(max_length=64)] = ""
    sequence: Count = 0

    def is_older_than(self, other: "AirRecord") -> bool:
        """Whether `other`, about the same user, replaces this one, or says the same."""
        if self.epoch != other.epoch:
            return self.epoch < other.epoch
        return self.boot != other.boot or self.sequence <= other.sequence


class CompanionText(msgspec.Struct, frozen=True, kw_only=True, tag="companion_text"):
    """A message for all devices of a companion session, as their sockets get it."""

    session: Annotated[str, Meta(min_length=1, max_length=64)]
    text: Annotated[str, Meta(max_length=10_000)]


class CompanionDevices(msgspec.Struct, frozen=True, kw_only=True, tag="companion_devices"):
    """How many devices of a companion session a node has now. status: what has happened, None where it only says so again.

    life_s: how long the session lasts.
    """

    session: Annotated[str, Meta(min_length=1, max_length=64)]
    node: NodeName
    devices: Annotated[int, Meta(ge=0, le=1000)]
    status: Literal["connected", "disconnected"] | None
    life_s: Annotated[int, Meta(ge=0, le=10**6)]
