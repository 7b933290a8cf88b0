"""Companion devices: a phone beside the PC, brought together by a code. In memory only; a restart ends all pairings."""

import asyncio
import hmac
import secrets
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any

from db.models import User, now
from sfu.errors import NotAllowed, NotFound, Refused
from web.channel import NO_SUCH_THING, RATE, Channel, message
from web.pace import Pace

LIFE = timedelta(hours=12)
MOST_OF_ONE = 8  # pairings a user may have; the oldest makes room
MOST_DEVICES = 16  # sockets of one pairing
MOST_PASSES = 64  # devices remembered so that they can come back; the oldest has to use the code again


class WrongCode(Refused):
    """That is not the code."""

    status, code = 403, "wrong_code"


class Pairing:
    """One companion session: its code, the passes given for it, and the devices that are connected now."""

    def __init__(self, owner: User, kind: str) -> None:
        self.id = secrets.token_urlsafe(9)
        self.code = secrets.token_urlsafe(9)
        self.owner_id, self.username, self.kind = owner.id, owner.username, kind
        self.expires_at: datetime = now() + LIFE
        self.timer: asyncio.TimerHandle | None = None
        self._passes: OrderedDict[str, None] = OrderedDict()
        self.pace = Pace(RATE)  # of all devices together: what one says is told to all, and may be a mark in a recording
        self._devices: set[Channel] = set()

    @property
    def join_url(self) -> str:
        """Where another device joins. The code stands behind the #, so that no server's log gets it."""
        return f"/join/{self.id}#{self.code}"

    def admit(self, code: str) -> str:
        """A pass for a device that knows the code. Raises WrongCode."""
        if not self.is_code(code):
            raise WrongCode
        given = secrets.token_urlsafe(24)
        self._passes[given] = None
        if len(self._passes) > MOST_PASSES:
            self._passes.popitem(last=False)
        return given

    def is_code(self, code: str) -> bool:
        """Whether this is the code."""
        return hmac.compare_digest(code.encode("utf-8", "replace"), self.code.encode())

    def is_pass(self, given: str) -> bool:
        """Whether this pass was given for this pairing."""
        return given in self._passes

    @property
    def is_full(self) -> bool:
        """Whether no more devices fit."""
        return len(self._devices) >= MOST_DEVICES

    def enter(self, device: Channel) -> None:
        """A device is here; all are told, itself included."""
        self._devices.add(device)
        self._tell_connection("connected")

    def leave(self, device: Channel) -> None:
        """A device has gone; the others are told."""
        self._devices.discard(device)
        self._tell_connection("disconnected")

    def tell(self, kind: str, data: dict[str, Any]) -> None:
        """Tell all devices."""
        text = message(kind, data)
        for device in self._devices:
            device.send_text(text)

    def end(self) -> None:
        """Close every device's socket."""
        if self.timer is not None:
            self.timer.cancel()
        for device in self._devices:
            device.end(NO_SUCH_THING)

    def _tell_connection(self, status: str) -> None:
        self.tell("connection_update", {"status": status, "user_id": self.owner_id, "devices": len(self._devices)})


class Pairings:
    """All companion sessions. Each ends after 12 hours, with its owner's account, or when the owner has too many."""

    def __init__(self) -> None:
        self._pairings: dict[str, Pairing] = {}

    def open(self, owner: User, kind: str) -> Pairing:
        """A new one."""
        mine = [pairing for pairing in self._pairings.values() if pairing.owner_id == owner.id]
        for pairing in mine[: len(mine) + 1 - MOST_OF_ONE]:
            self.end(pairing)
        pairing = Pairing(owner, kind)
        pairing.timer = asyncio.get_running_loop().call_later(LIFE.total_seconds(), self.end, pairing)
        self._pairings[pairing.id] = pairing
        return pairing

    def find(self, pairing_id: str) -> Pairing:
        """The one with that id. Raises NotFound."""
        pairing = self._pairings.get(pairing_id)
        if pairing is None:
            raise NotFound("There is no such session, or no longer.")
        return pairing

    def own(self, pairing_id: str, owner: User) -> Pairing:
        """As find, where it is the user's own. Raises NotFound, NotAllowed."""
        pairing = self.find(pairing_id)
        if pairing.owner_id != owner.id:
            raise NotAllowed
        return pairing

    def end(self, pairing: Pairing) -> None:
        """End one; twice does no harm."""
        self._pairings.pop(pairing.id, None)
        pairing.end()

    def end_of(self, owner_id: int) -> None:
        """End all of a user's."""
        for pairing in [pairing for pairing in self._pairings.values() if pairing.owner_id == owner_id]:
            self.end(pairing)

    def end_all(self) -> None:
        """End them all."""
        for pairing in list(self._pairings.values()):
            self.end(pairing)
