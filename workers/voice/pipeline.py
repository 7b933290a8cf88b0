"""Packet in -> decode, conceal -> denoise -> encode -> packet out, on the broadcast's time line and without a clock.

    packet ─► loss recovery ─► pieces ─► blocks of 480 ─► stage ─► clean sound ─► encoder ─► packet of the same number and time

What comes out as packet n decodes to the sound of packet n, sample for sample. So a packet leaves as soon as the clean sound
reaches `lookahead` samples beyond its end: with whole packets, (latency + lookahead) rounded up to packets after it came in.
"""

from collections import deque
from math import isfinite, log10
from typing import NamedTuple

import numpy as np

from workers.denoiser import BLOCK, Denoiser, Sound
from workers.link.control import quiet_s
from workers.link.ring import Packet
from workers.voice.crossfade import Crossfade
from workers.voice.fifo import Fifo
from workers.voice.hop_batch import Work, alone
from workers.voice.loss_recovery import Counts, Cut, LossRecovery, Piece
from workers.voice.opus import Encoder, OpusError
from workers.voice.stage import NO_LIMIT_DB, HopCosts, Stage

PACKET = 960  # samples of the usual packet, 20 ms
SILENCE_DBFS = -127.0  # the quietest level of RFC 6464


class DuePacket(NamedTuple):
    """An input packet whose denoised sound is not complete yet."""

    number: int
    time: int
    samples: int
    flags: int
    dbfs: float


class Pipeline:
    """One voice from packet to packet. Owns a decoder, an encoder and the denoiser's state of the voice until close()."""

    def __init__(self, denoiser: Denoiser, latency: int = 0, encoder: Encoder | None = None, delay: int = 0) -> None:
        """`latency`, `delay`: least samples, of the denoiser and of the whole pipeline; a quicker denoiser is padded to them."""
        self.latency = max(latency, denoiser.latency)
        self.hops = HopCosts()
        self.flushes = self.spoilt = 0
        self._encoder = encoder or Encoder()
        if self.delay < delay:
            self.latency = delay - self._encoder.lookahead
        self.counts = Counts()
        self._loss_recovery = LossRecovery(self.counts)
        self._stage = Crossfade(Stage(denoiser, self.latency, self.hops))
        self._strength_db = NO_LIMIT_DB
        self._noisy, self._clean = Fifo(), Fifo()
        self._due: deque[DuePacket] = deque()
        self._arrival_ns = 0
        self._samples = PACKET
        self._skip = self.latency  # samples of the stage's output that come before the start of this time line
        self._primed = False  # whether the encoder was given its look-ahead

    @property
    def delay(self) -> int:
        """Samples from the end of an input packet to its output, for packets of 20 ms."""
        return -(-(self.latency + self._encoder.lookahead) // PACKET) * PACKET

    @property
    def quiet_s(self) -> float:
        """How long no packet may come before pending packets are flushed."""
        return quiet_s(self._samples)

    @property
    def waiting(self) -> bool:
        """Whether an input packet has not come out yet."""
        return bool(self._due)

    def push(self, packet: Packet, *, skipped: bool = False) -> list[Packet]:
        """The output packets that this input packet completes. skipped: packets before it were skipped because they were late.

        Raises WorkerFailed("nan").
        """
        return alone(self.pushing(packet, skipped=skipped))

    def flush(self) -> list[Packet]:
        """All pending packets, with silence pushed in behind them; the next packet begins a new time line with the same voice."""
        return alone(self.flushing())

    def pushing(self, packet: Packet, *, skipped: bool = False) -> Work[list[Packet]]:
        """`push` as a generator, whose hops can be batched with those of other voices."""
        self._arrival_ns = packet.arrival_ns
        done: list[Packet] = []
        for piece in self._loss_recovery.take(packet, quiet=not self._due, skipped=skipped):
            if piece.cut is not Cut.NONE:
                done += yield from self.flushing()
            if piece.cut is Cut.LONG:
                self._stage.forget()
            done += yield from self._hear(piece)
        return done

    def flushing(self) -> Work[list[Packet]]:
        """`flush` as a generator."""
        done: list[Packet] = []
        if self._due:
            self.flushes += 1
        while self._due:
            self._noisy.push(np.zeros(BLOCK, dtype=np.float32))
            done += yield from self._run()
        self._noisy.clear()
        self._clean.clear()
        self._skip, self._primed = self.latency, False
        return done

    def adjust(self, strength_db: float | None = None, complexity: int | None = None, loss_percent: int | None = None) -> None:
        """Change what is not None, from the next block on; the strength is faded over 20 ms."""
        if strength_db is not None:
            self._strength_db = strength_db
            self._stage.limit(strength_db, over=PACKET if self.hops.count else 0)
        if complexity is not None:
            self._encoder.complexity = min(max(complexity, 0), 10)
        if loss_percent is not None:
            self._encoder.loss_percent = min(max(loss_percent, 0), 100)

    def takes(self, denoiser: Denoiser) -> bool:
        """Whether `change` accepts it: its latency is no greater than the present one, or is whole blocks."""
        return denoiser.latency <= self.latency or denoiser.latency % BLOCK == 0

    def change(self, denoiser: Denoiser) -> None:
        """Change to another accepted denoiser, at most 30 ms after its latency. A greater latency stays for good."""
        if denoiser.latency > self.latency:
            self._delay(-(-(denoiser.latency - self.latency) // BLOCK))
        stage = Stage(denoiser, self.latency, self.hops)
        stage.limit(self._strength_db, over=0)
        self._stage.change(stage)

    def _delay(self, blocks: int) -> None:
        """Delay the output from now on; no sample is lost."""
        self.latency += blocks * BLOCK
        self._skip += blocks * BLOCK
        self._stage.delay(blocks)

    def _hear(self, piece: Piece) -> Work[list[Packet]]:
        level = piece.dbfs if isfinite(piece.dbfs) else dbfs(piece.sound)
        self._samples = len(piece.sound)
        self._due.append(DuePacket(piece.number, piece.time, self._samples, piece.flags, level))
        self._noisy.push(piece.sound)
        return (yield from self._run())

    def _run(self) -> Work[list[Packet]]:
        while blocks := min(len(self._noisy) // BLOCK, self._stage.blocks):
            clean = yield from self._stage.hop(self._noisy.pull(blocks * BLOCK))
            skipped = min(self._skip, len(clean))
            self._skip -= skipped
            self._clean.push(clean[skipped:])
        self._prime()
        done: list[Packet] = []
        while self._primed and self._due and len(self._clean) >= self._due[0].samples:
            done += self._encoded(self._due.popleft())
        return done

    def _prime(self) -> None:
        """Give the encoder its look-ahead, so that the first packet of a time line begins exactly there."""
        ahead = self._encoder.lookahead
        if self._primed or len(self._clean) < ahead:
            return
        self._encoder.encode(np.concatenate((np.zeros(PACKET - ahead, dtype=np.float32), self._clean.pull(ahead))))
        self._encoder.independent(True)
        self._primed = True

    def _encoded(self, due: DuePacket) -> list[Packet]:
        clean = self._clean.pull(due.samples)
        try:
            payload = self._encoder.encode(clean)
        except OpusError:  # a duration that cannot be encoded; the packet is left out
            self.spoilt += 1
            return []
        self._encoder.independent(False)
        return [Packet(due.number, due.time, due.samples, self._arrival_ns, payload, due.dbfs, dbfs(clean), due.flags)]

    def close(self) -> None:
        self._loss_recovery.close()
        self._encoder.close()


def dbfs(sound: Sound) -> float:
    """Level of float32[n] in dB relative to full scale (a square wave of 1.0 is 0), at least SILENCE_DBFS."""
    power = float(np.dot(sound, sound)) / max(len(sound), 1)
    return max(10 * log10(power), SILENCE_DBFS) if power > 0 else SILENCE_DBFS
