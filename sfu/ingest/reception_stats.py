"""Reception statistics of one stream, for the receiver reports to its broadcaster (RFC 3550 §6.4.1, A.3, A.8). No I/O, no clock."""

from sfu.ingest.timeline import samples_between
from sfu.wire.rtcp import Report, SenderReport, ntp_middle
from sfu.wire.rtp import timestamp_step, unwrap_sequence


class ReceptionStats:
    """Counts the packets of one SSRC as they arrive, in any order.

    `fraction_lost` counts the packets that were given up, after NACK and RED, because browsers choose their FEC by it. With the losses
    before repair they would change from CELT to SILK for nothing; with the RFC's count, where a retransmitted packet is received
    however late it is, they would leave out FEC that is needed.
    """

    def __init__(self, ssrc: int, sequence: int, given_up: int = 0) -> None:
        """given_up: as for `report`, now."""
        self.ssrc = ssrc
        self._first = sequence
        self._highest = sequence - 1
        self._received = 0
        self._expected_before = 0
        self._given_up_before = given_up
        self._jitter = 0.0
        self.last: tuple[int, int] | None = None  # time stamp and arrival of the last packet
        self._sender: tuple[int, int] = (0, 0)  # the middle of the last SR's NTP time, and when it came

    def count(self, sequence: int, timestamp: int, arrival_ns: int) -> None:
        """One packet arrived; retransmitted and duplicate ones count too (A.3)."""
        self._received += 1
        self._highest = max(self._highest, unwrap_sequence(sequence, self._highest))
        if self.last is not None:
            drift = samples_between(self.last[1], arrival_ns) - timestamp_step(timestamp, self.last[0])
            self._jitter += (min(abs(drift), 48_000) - self._jitter) / 16
        self.last = timestamp, arrival_ns

    def note_sender_report(self, report: SenderReport, arrival_ns: int) -> None:
        self._sender = ntp_middle(report.ntp), arrival_ns

    def report(self, now_ns: int, given_up: int, least_loss: float = 0.0) -> Report:
        """The report block for the time since the last call.

        given_up: packets given up so far, growing only; least_loss in [0, 1]: the least loss to report, that of the listeners.
        """
        expected = self._highest - self._first + 1
        interval = expected - self._expected_before
        fraction = min((given_up - self._given_up_before) / interval, 1.0) if interval > 0 else 0.0
        self._expected_before, self._given_up_before = expected, given_up
        last_sr, came_ns = self._sender
        return Report(
            ssrc=self.ssrc,
            fraction_lost=min(int(max(fraction, least_loss) * 256), 255),
            lost=expected - self._received,
            highest=self._highest & 0xFFFFFFFF,
            jitter=int(self._jitter),
            last_sr=last_sr,
            since_sr=(now_ns - came_ns) * 65536 // 1_000_000_000 if came_ns else 0,
        )
