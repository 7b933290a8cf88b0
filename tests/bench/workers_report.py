"""bench workers for people: a table with ratios to torch, histograms, and a bar of voices a core."""

import statistics
from collections.abc import Iterable, Sequence

import numpy as np

from tests.bench import places
from tests.bench.contenders import Found, Options
from tests.bench.engines import EAGER
from tests.bench.histograms import Strip, histograms
from tests.bench.peers import PEERS
from tests.bench.report import Chart, Column, Drawing, Report, Row, Series, number, times
from tests.bench.search import told

NOTES = (
    "x: as many times what torch eager has for the same model in the same rounds (for others: for the first model; where torch is not "
    "there: as many times what the first row has); below 1 is better, for voices above 1.",
    "tight, paced: milliseconds that one hop of 10 ms takes, called back to back, or woken each time when the sound of a call is there. "
    "A call a packet of 20 ms: two hops at once where the denoiser can, and the time is halved; else, torch eager too, a call a hop.",
    "offline: the time of a call spread over the hops in it. They come in one burst, and as late as the delay says.",
    "of 16: a voice's part of a hop of sixteen voices in one call, of as many hops. "
    "packet: from the first ring to the second, the model's delay apart; one that never came counts as a second.",
    "PSS: of the forkserver and its first worker, and of each further one, in 10^6 bytes. start: asked for → first hops done.",
    "voices: paced voices, Opus both ways, that one core holds with 99 % of the packets from ring to ring in 20 ms, so many in a process. "
    "torch eager: one in a process, and that is what the others' are compared with.",
    "≥: the search ended at so many (--most), more may be held. Above 63 voices the number is exact to a 32nd.",
    "RNNoise and passthrough, which clean one voice after the other anyway, have one window at a share above 1.",
)
LATE_MS = 10.0  # of the feeder: half of what a packet may take
LATE_SHARE = 0.1  # of the windows; fewer are hiccups
ALONE = "1"  # the share of torch eager


class Against:
    """Each contender beside torch eager."""

    def __init__(self, found: Sequence[Found]) -> None:
        self._by_name = {each.name: each for each in found}
        self._bases = [each for each in found if each.name.startswith(EAGER)] or list(found[:1])

    def mine(self, row: Row) -> Found:
        return self._by_name[row["denoiser"]]

    def base(self, row: Row) -> Found | None:
        """torch eager of the same model; of the first where it has none."""
        family = next((base for base in self._bases if row["denoiser"].endswith(" " + base.name.removeprefix(EAGER))), None)
        return family or self._by_name.get(EAGER + row["denoiser"]) or next(iter(self._bases), None)

    def rounds(self, row: Row, kind: str) -> str:
        """Of a kind that has values in each round: the median of the rounds' ratios."""
        base = self.base(row)
        both = zip(getattr(self.mine(row), kind), getattr(base, kind.removeprefix("batch_")), strict=False) if base else ()
        ratios = [float(np.median(ours) / np.median(theirs)) for ours, theirs in both]
        return f"{statistics.median(ratios):.2f}x" if ratios else "-"

    def each(self, row: Row, key: str) -> str:
        """Of figures that there is one of, or one of a name."""
        base = self.base(row)
        ours, theirs = getattr(self.mine(row), key), getattr(base, key) if base else None
        if ours is None or theirs is None:
            return "-"
        if not isinstance(ours, dict):
            return times(ours, theirs)
        return " / ".join(times(value, theirs.get(name)) for name, value in ours.items())

    def voices(self, row: Row, most: int) -> str:
        """Of one in a process of torch eager's; marked where either number is a lower bound, a dash where both are."""
        base = self.base(row)
        ours, theirs = self.mine(row).streams, ((base.streams or {}).get(ALONE) if base else None) or 0
        if ours is None or not theirs:
            return "-"

        def ratio(held: int | None) -> str:
            if held is None or min(held, theirs) >= most:
                return "-"
            return ("≥ " if held >= most else "≤ " if theirs >= most else "") + times(held, theirs)

        return " / ".join(map(ratio, ours.values()))


def report(found: Sequence[Found], rows: Sequence[Row], asked: Options) -> Report:
    against = Against(found)

    def batch(row: Row, kind: str) -> str:
        values = getattr(against.mine(row), kind)
        return f"{statistics.median(float(np.median(each)) for each in values):.3f} {against.rounds(row, kind)}" if values else "-"

    columns = [
        Column("denoiser", lambda row: row["denoiser"]),
        Column("delay", lambda row: str(row["latency_samples"])),
        Column("tight p50 / p99", lambda row: _several(row["tight_ms"], 3)),
        Column("x", lambda row: against.rounds(row, "tight")),
        Column("paced p50 / p99", lambda row: _several(row["paced_ms"], 3)),
        Column("x", lambda row: against.rounds(row, "paced")),
        Column("of 16: tight", lambda row: batch(row, "batch_tight")),
        Column("paced", lambda row: batch(row, "batch_paced")),
        Column("packet p50 / p99", lambda row: _several(row["packet_ms"])),
        Column("x", lambda row: against.rounds(row, "packet")),
        Column("CPU", lambda row: number(row["cpu_pct"], 1, " %")),
        Column("x", lambda row: against.rounds(row, "cpu_pct")),
        Column("PSS first / further", lambda row: _several(row["pss_mb"], 1)),
        Column("x", lambda row: against.each(row, "pss_mb")),
        Column("start", lambda row: number(row["start_ms"], 0, " ms")),
        Column("x", lambda row: against.each(row, "start_ms")),
        Column("SI-SDR gain", lambda row: number(row["si_sdr_gain_db"], 2, " dB")),
        Column("PESQ", lambda row: number(row["pesq"], 3)),
        Column("STOI", lambda row: number(row["stoi"], 4)),
        Column(f"voices, share {' / '.join(map(str, asked.shares))}", lambda row: _voices(row["streams_per_core"], asked.most)),
        Column("x", lambda row: against.voices(row, asked.most)),
    ]
    told = [f"Sound: {places.sound_told(asked.audio)}."] if asked.audio else []
    title = f"Denoise workers: medians of {asked.rounds} interleaved rounds, voices in windows of {asked.seconds:g} s"
    return Report(title, list(rows), columns, _charts(found, asked), [*NOTES, *_beside_peers(found), *told], _warnings(found))


def _beside_peers(found: Sequence[Found]) -> list[str]:
    """How many times longer than the first denoiser the peers take for a hop, called back to back; of the medians of each round.

    In processor time too: beside other work the clock is hardest on whoever takes longest, for more of its calls are interrupted.
    """
    ours, told = next(iter(found), None), []
    for each in found:
        if each.name in PEERS and ours is not None:
            told.append(f"{each.name} {_times(each.tight, ours.tight)}, in processor time {_times(each.tight_cpu, ours.tight_cpu)}")
    return [f"A hop back to back takes so many times as long as {ours.name}'s: {'; '.join(told)}."] if ours is not None and told else []


def _times(theirs: Sequence[Sequence[float]], ours: Sequence[Sequence[float]]) -> str:
    ratios = [float(np.median(long) / np.median(short)) for long, short in zip(theirs, ours, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _warnings(found: Iterable[Found]) -> list[str]:
    late = []
    for each in found:
        windows = sum(ms > LATE_MS for ms in each.late_ms)
        if windows > LATE_SHARE * len(each.late_ms):
            late.append(f"{each.name} in {windows} of {len(each.late_ms)} windows, by up to {max(each.late_ms):.0f} ms")
    if not late:
        return []
    return [f"Packets were put late, {'; '.join(late)}: the machine did other work too, and more voices may fit than were found."]


def _several(values: dict[str, float | None], digits: int = 2) -> str:
    return _joined({name: None if each is None else number(each, digits) for name, each in values.items()})


def _voices(counts: dict[str, int | None], most: int) -> str:
    return _joined({share: None if each is None else told(each, most) for share, each in counts.items()})


def _joined(cells: dict[str, str | None]) -> str:
    """One dash where nothing was measured at all."""
    return " / ".join(cell or "-" for cell in cells.values()) if any(cells.values()) else "-"


def _charts(found: Sequence[Found], asked: Options) -> list[Chart | Drawing]:
    charts: list[Chart | Drawing] = []
    series = [Series(f"{share} a process", _held(found, "", share)) for share in asked.shares]
    series.append(Series("torch eager, 1", _held(found, EAGER, 1)))
    if any(each.points for each in series):
        ended = any(count >= asked.most for each in series for _, count in each.points)
        title = f"Voices that one core holds (higher is better{f'; {asked.most}: at least so many' if ended else ''})"
        charts.append(Chart(title, "", "voices", [each for each in series if each.points]))
    for kind, what, axis in (
        ("packet", "A packet of 20 ms from ring to ring", "ms"),
        ("paced", "A hop of 10 ms, woken as in life", "ms; above 10 a core cannot follow"),
        ("tight", "A hop of 10 ms, back to back", "ms; above 10 a core cannot follow"),
    ):
        strips = [Strip(each.name, np.concatenate(getattr(each, kind)).tolist()) for each in found if getattr(each, kind)]
        if strips:
            heading = f"{what} (left is better; green: the median, red: 99 % are faster)"
            charts.append(Drawing(heading, histograms(strips, axis, heading)))
    return charts


def _held(found: Iterable[Found], kind: str, share: int) -> list[tuple[float | str, float]]:
    """A denoiser and its voices a core, of those that were searched for."""
    ours = [each for each in found if each.name.startswith(EAGER) == bool(kind)]
    counts = [(each.name.removeprefix(kind), (each.streams or {}).get(str(share))) for each in ours]
    return [(name, float(count)) for name, count in counts if count is not None]
