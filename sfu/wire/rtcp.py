"""RTCP: sender and receiver reports, CNAME, BYE (RFC 3550 §6) and generic NACK (RFC 4585 §6.2.1).

Pure functions: `parse` reads a decrypted compound packet, each `build_*` makes one packet; join them for a compound one.
"""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import NamedTuple

SR, RR, SDES, BYE, RTPFB = 200, 201, 202, 203, 205
NTP_EPOCH_S = 2_208_988_800  # 1900-01-01 to 1970-01-01

_HEAD = Struct("!BBH")
_SSRC = Struct("!L")
_PAIR = Struct("!LL")
_SENDER = Struct("!QLLL")
_REPORT = Struct("!LLLLLL")
_NACK = Struct("!HH")
_CNAME = 1


class Report(NamedTuple):
    """A report block: how a receiver gets one source. lost: cumulative, signed 24 bits; fraction_lost in [0, 255]; jitter in clock
    units; last_sr: middle 32 bits of the NTP time of the last SR; since_sr in 1/65536 s (both 0: no SR yet)."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    last_sr: int = 0
    since_sr: int = 0


class SenderReport(NamedTuple):
    """ntp: seconds since 1900 as 32.32 fixed point; timestamp: the same moment on the RTP clock."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    reports: tuple[Report, ...] = ()


class ReceiverReport(NamedTuple):
    ssrc: int
    reports: tuple[Report, ...] = ()


class Nack(NamedTuple):
    """sequences: the packets of `source` that `ssrc` asks for again, in the packet's order."""

    ssrc: int
    source: int
    sequences: tuple[int, ...]


class Bye(NamedTuple):
    sources: tuple[int, ...]


Rtcp = SenderReport | ReceiverReport | Nack | Bye


def parse(compound: bytes) -> list[Rtcp]:
    """The packets of the kinds above, in order; SDES and unknown kinds are skipped. Reduced size (RFC 5506) is accepted.

    Raises ValueError on a bad version, length or padding, on no packet at all, and nothing else.
    """
    if not compound:
        raise ValueError("empty RTCP packet")
    found: list[Rtcp] = []
    at = 0
    while at < len(compound):
        if at + 4 > len(compound):
            raise ValueError("RTCP header is cut short")
        first, kind, words = _HEAD.unpack_from(compound, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(compound):
            raise ValueError("RTCP version or length is wrong")
        body = compound[at + 4 : end]
        if first & 0x20:
            if not body or not 0 < body[-1] <= len(body):
                raise ValueError("RTCP padding is wrong")
            body = body[: -body[-1]]
        packet = _parse_one(kind, first & 0x1F, body)
        if packet is not None:
            found.append(packet)
        at = end
    return found


def _parse_one(kind: int, count: int, body: bytes) -> Rtcp | None:
    if kind == SR:
        _need(body, 24 + 24 * count)
        (ssrc,) = _SSRC.unpack_from(body)
        ntp, timestamp, packets, octets = _SENDER.unpack_from(body, 4)
        return SenderReport(ssrc, ntp, timestamp, packets, octets, _parse_reports(body, 24, count))
    if kind == RR:
        _need(body, 4 + 24 * count)
        (ssrc,) = _SSRC.unpack_from(body)
        return ReceiverReport(ssrc, _parse_reports(body, 4, count))
    if kind == BYE:
        _need(body, 4 * count)
        return Bye(tuple(_SSRC.unpack_from(body, 4 * i)[0] for i in range(count)))
    if kind == RTPFB and count == 1:
        _need(body, 8)
        ssrc, source = _PAIR.unpack_from(body)
        pairs = [_NACK.unpack_from(body, at) for at in range(8, len(body) - 3, 4)]
        return Nack(ssrc, source, tuple(_expand(pairs)))
    return None


def _need(body: bytes, length: int) -> None:
    if len(body) < length:
        raise ValueError("RTCP packet is cut short")


def _parse_reports(body: bytes, at: int, count: int) -> tuple[Report, ...]:
    reports = []
    for start in range(at, at + 24 * count, 24):
        ssrc, loss, highest, jitter, last_sr, since_sr = _REPORT.unpack_from(body, start)
        lost = (loss & 0xFFFFFF ^ 0x800000) - 0x800000
        reports.append(Report(ssrc, loss >> 24, lost, highest, jitter, last_sr, since_sr))
    return tuple(reports)


def _expand(pairs: Sequence[tuple[int, int]]) -> Iterable[int]:
    for first, mask in pairs:
        yield first
        for bit in range(16):
            if mask >> bit & 1:
                yield first + bit + 1 & 0xFFFF


def build_sender_report(ssrc: int, ntp: int, timestamp: int, packets: int, octets: int) -> bytes:
    """An SR without report blocks; counters are cut to 32 bits."""
    return _packet(SR, 0, _SSRC.pack(ssrc) + _SENDER.pack(ntp, timestamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF))


def build_receiver_report(ssrc: int, reports: Sequence[Report] = ()) -> bytes:
    """An RR of at most 31 blocks. lost is clamped to 24 bits, jitter and since_sr to 32."""
    return _packet(RR, len(reports), _SSRC.pack(ssrc) + b"".join(map(_build_report, reports)))


def _build_report(report: Report) -> bytes:
    lost = max(-0x800000, min(report.lost, 0x7FFFFF)) & 0xFFFFFF
    return _REPORT.pack(
        report.ssrc,
        max(0, min(report.fraction_lost, 255)) << 24 | lost,
        report.highest & 0xFFFFFFFF,
        min(report.jitter, 0xFFFFFFFF),
        report.last_sr,
        min(report.since_sr, 0xFFFFFFFF),
    )


def build_cname(ssrc: int, cname: str) -> bytes:
    """An SDES packet with a CNAME, which each compound packet must have; cname: at most 255 bytes in UTF-8."""
    text = cname.encode()
    chunk = _SSRC.pack(ssrc) + bytes((_CNAME, len(text))) + text + b"\0"
    return _packet(SDES, 1, chunk + bytes(-len(chunk) % 4))


def build_nack(ssrc: int, source: int, sequences: Iterable[int]) -> bytes:
    """A generic NACK: ask `source` for packets again; sequences: 16 bits each, ascending modulo 2**16."""
    pairs: list[tuple[int, int]] = []
    for sequence in sequences:
        step = (sequence - pairs[-1][0] & 0xFFFF) if pairs else 0
        if pairs and 0 < step <= 16:
            pairs[-1] = (pairs[-1][0], pairs[-1][1] | 1 << step - 1)
        elif not pairs or step:
            pairs.append((sequence & 0xFFFF, 0))
    return _packet(RTPFB, 1, _PAIR.pack(ssrc, source) + b"".join(_NACK.pack(*pair) for pair in pairs))


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEAD.pack(0x80 | count, kind, len(body) // 4) + body


def ntp_of(unix_ns: int) -> int:
    """Nanoseconds of `time.time_ns()` as a 64-bit NTP time."""
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    return seconds + NTP_EPOCH_S << 32 | (rest << 32) // 1_000_000_000


def ntp_middle(ntp: int) -> int:
    """The middle 32 bits of an NTP time, as report blocks carry them (1/65536 s)."""
    return ntp >> 16 & 0xFFFFFFFF
