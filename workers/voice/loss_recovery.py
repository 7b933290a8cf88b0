"""From packets, some of them lost, to sound without gaps: decode, repair by FEC, conceal. Knows nothing of denoising.

A gap in the packet numbers with a matching gap in time is filled exactly: its last packet by the FEC in the packet after it, the
others by concealment, and after 120 ms of concealment by silence. If the pipeline has been flushed meanwhile, a gap of more than
120 ms is filled by FEC only: concealment would come after its playout time, or be silence. Any other jump of the time line is a
cut: the sound after it begins anew.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from workers.denoiser import RATE_HZ, Sound
from workers.link.ring import Flag, Packet
from workers.voice.opus import MAX_SAMPLES, Decoder, OpusError, has_fec

MAX_CONCEALED = 5760  # samples in a row: 120 ms; then silence
MAX_FILLED = RATE_HZ  # samples of the longest gap that is filled; a longer one is a cut
FORGET_AFTER = RATE_HZ  # samples of a gap after which the decoder's state is useless
_LATE = 64  # packets: a number that is behind by at most this is late, by more it is a new numbering
_FADE_IN = np.linspace(0, 1, 240, dtype=np.float32)
_FADE_OUT = np.linspace(1, 0, 480, dtype=np.float32)


class Cut(IntEnum):
    """Whether the sound continues what came before it."""

    NONE = 0
    SHORT = 1  # begins anew; the denoiser keeps its state
    LONG = 2  # a long gap, or a jump back: all state is reset


class Piece(NamedTuple):
    """The sound of one packet, decoded or concealed, and its place on the time line."""

    number: int
    time: int
    arrival_ns: int
    sound: Sound  # float32[samples]
    flags: int
    dbfs: float  # as the sender says, or nan
    cut: Cut


@dataclass
class Counts:
    """Counters since the start; see control.Stats."""

    received: int = 0
    lost: int = 0
    concealed: int = 0
    repaired: int = 0
    garbage: int = 0
    jumps: int = 0


@dataclass
class LossRecovery:
    """One voice's decoder and its place on the time line. Owns the decoder until close()."""

    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._decoder = Decoder()
        self._number: int | None = None  # the next one; None before the first packet
        self._time = 0
        self._samples = 960  # of the last packet
        self._concealed = 0  # samples in a row

    def take(self, packet: Packet, *, quiet: bool, skipped: bool = False) -> list[Piece]:
        """The pieces up to this packet, inclusive. `quiet`: the pipeline has been flushed, so only short gaps are filled.

        `skipped`: the missing packets came, but too late to be denoised in time, so they are not concealed.
        """
        self.counts.received += 1
        if self._number is None:
            return self._begin(packet, 0, Cut.NONE)
        lost, gap = packet.number - self._number, packet.time - self._time
        if -_LATE <= lost < 0:
            self.counts.garbage += 1
            return []
        if lost == gap == 0:
            return [self._decoded(packet, 0, Cut.NONE)]
        if skipped:
            return self._begin(packet, 0, Cut.SHORT if 0 <= gap <= FORGET_AFTER else Cut.LONG)
        self.counts.lost += max(lost, 0)
        if not _matching(lost, gap):
            self.counts.jumps += 1
            return self._begin(packet, Flag.JUMP, Cut.SHORT if 0 <= gap <= FORGET_AFTER else Cut.LONG)
        if gap > MAX_FILLED:
            return self._begin(packet, 0, Cut.LONG)
        return self._filled(packet, lost, gap // lost, quiet)

    def _begin(self, packet: Packet, flags: int, cut: Cut) -> list[Piece]:
        if cut is Cut.LONG:
            self._decoder.reset()
        self._concealed = 0
        return [self._decoded(packet, flags, cut)]

    def _filled(self, packet: Packet, lost: int, samples: int, quiet: bool) -> list[Piece]:
        fec, cut, pieces = has_fec(packet.payload), Cut.NONE, []
        first = 0
        if quiet and lost * samples > MAX_CONCEALED:  # only this packet's FEC is still in time
            first, cut = lost - fec, Cut.SHORT
            self._concealed = 0
        for index in range(first, lost):
            repaired = fec and index == lost - 1
            sound = self._decoder.repair(packet.payload, samples) if repaired else self._made_up(samples)
            if repaired:
                sound = self._resumed(sound)
            self.counts.repaired += repaired
            self.counts.concealed += not repaired
            flags = Flag.REPAIRED if repaired else Flag.CONCEALED
            time = packet.time - (lost - index) * samples
            pieces.append(Piece(packet.number - lost + index, time, packet.arrival_ns, sound, flags, float("nan"), cut))
            cut = Cut.NONE
        return [*pieces, self._decoded(packet, 0, cut)]

    def _decoded(self, packet: Packet, flags: int, cut: Cut) -> Piece:
        try:
            sound = self._resumed(self._decoder.decode(packet.payload))
        except OpusError:
            self.counts.garbage += 1
            self.counts.concealed += 1
            flags |= Flag.CONCEALED
            sound = self._made_up(packet.samples if _possible(packet.samples) else self._samples)
        self._number, self._time, self._samples = packet.number + 1, packet.time + len(sound), len(sound)
        return Piece(packet.number, packet.time, packet.arrival_ns, sound, flags, packet.original_dbfs, cut)

    def _made_up(self, samples: int) -> Sound:
        """Concealment, faded out towards MAX_CONCEALED, then silence."""
        before, self._concealed = self._concealed, self._concealed + samples
        if before >= MAX_CONCEALED:
            return np.zeros(samples, dtype=np.float32)
        sound = self._decoder.conceal(samples)
        if self._concealed >= MAX_CONCEALED:
            fade = _FADE_OUT[-samples:]
            sound[-len(fade) :] *= fade
        return sound

    def _resumed(self, sound: Sound) -> Sound:
        """Decoded sound; faded in where silence came before it."""
        if self._concealed >= MAX_CONCEALED:
            sound[: len(_FADE_IN)] *= _FADE_IN[: len(sound)]
        self._concealed = 0
        return sound

    def close(self) -> None:
        self._decoder.close()


def _matching(lost: int, gap: int) -> bool:
    """Whether `lost` packets of one valid duration fill `gap` samples."""
    return lost > 0 and gap > 0 and gap % lost == 0 and _possible(gap // lost)


def _possible(samples: int) -> bool:
    """Whether an Opus packet can have this duration."""
    return 120 <= samples <= MAX_SAMPLES and samples % 120 == 0
