"""From what was heard, packet by packet, to the few spans that are told of it."""

from pathlib import Path

import pytest

from tests.support.spoken import packet
from workers.link.ring import Flag
from workers.recordings import spans
from workers.recordings.spans import BYPASS, CLEAN, DENOISE_OFF, GAP, SHORTEST, Journal, Span, Treatment

SAMPLES = 960
Heard = tuple[int, str, str | None]  # packets, kind, reason


def journal(path: Path, *heard: Heard, first: int = 0, position: int = 0, close: bool = True) -> int:
    """Write down stretches of packets one after the other; a gap is so many packets that are lost, for that reason. Where it ends."""
    number, gap = first, None
    with Journal(path, position) as ours:
        for count, kind, reason in heard:
            for each in range(number, number + count):
                if kind != GAP:
                    ours.heard(packet(each, b"x", SAMPLES), Treatment(kind, reason, gap))
                    gap = None
            gap = reason if kind == GAP else gap
            number += count
        if close:
            ours.close()
        assert ours.size == path.stat().st_size
    return number * SAMPLES


def told(path: Path, samples: int) -> list[tuple[int, int, str, str | None]]:
    """The spans, in packets."""
    return [(each.begin // SAMPLES, each.end // SAMPLES, each.kind, each.reason) for each in spans.read(path, samples).spans]


def test_each_stretch_is_told_with_its_kind_and_reason(tmp_path: Path) -> None:
    """Start, switch, bypass and silence lie where they were; the share is of the time in which there was sound."""
    path = tmp_path / "spans.log"
    heard: list[Heard] = [(10, BYPASS, None), (50, CLEAN, None), (20, DENOISE_OFF, None), (40, CLEAN, None), (30, GAP, "parked")]
    samples = journal(path, *heard, (10, CLEAN, None), (5, BYPASS, "too_slow"), (25, GAP, None), (35, CLEAN, None))
    assert told(path, samples) == [
        (0, 10, BYPASS, None),
        (60, 80, DENOISE_OFF, None),
        (120, 150, GAP, "parked"),
        (160, 165, BYPASS, "too_slow"),
        (165, 190, GAP, None),
    ]
    found = spans.read(path, samples)
    assert found.share == pytest.approx(135 / 170) and found.merged == 0
    assert found.told()[2] == {"from_s": 2.4, "to_s": 3.0, "kind": "gap", "reason": "parked"}


def test_a_single_packet_is_told_and_many_near_each_other_are_one(tmp_path: Path) -> None:
    """A late packet has its span of 20 ms; where every third one is late it is one span, not a thousand."""
    path = tmp_path / "spans.log"
    every_third: list[Heard] = [(1, BYPASS, "too_slow"), (2, CLEAN, None)] * 1000
    samples = journal(path, (50, CLEAN, None), (1, BYPASS, "too_slow"), (50, CLEAN, None), *every_third, (50, CLEAN, None))
    assert told(path, samples) == [(50, 51, BYPASS, "too_slow"), (101, 3099, BYPASS, "too_slow")]
    assert path.stat().st_size < 200


def test_what_the_sender_left_out_is_no_gap(tmp_path: Path) -> None:
    """Numbers that go on over a hole in time are a sender's silence (DTX); so is a lost packet or two. A jump is a gap."""
    path = tmp_path / "spans.log"
    with Journal(path) as ours:
        for number, time in enumerate((0, 960, 48_000, 48_960)):
            ours.heard(packet(number, b"x", SAMPLES, time), Treatment(CLEAN))
        ours.heard(packet(6, b"x", SAMPLES, 48_960 + 3 * SAMPLES), Treatment(CLEAN))
        ours.heard(packet(7, b"x", SAMPLES, 96_000)._replace(flags=Flag.JUMP), Treatment(CLEAN, None, "parked"))
        ours.close()
    assert spans.read(path, 96_960).spans == [Span(48_960 + 4 * SAMPLES, 96_000, GAP, "parked")]


def test_what_was_made_up_is_a_gap_where_it_lasts(tmp_path: Path) -> None:
    """Two concealed packets are nothing to tell; ten, which were silence at last, are."""
    path = tmp_path / "spans.log"
    with Journal(path) as ours:
        for number in range(60):
            made_up = number in (20, 21) or 40 <= number < 50
            ours.heard(packet(number, b"x", SAMPLES)._replace(flags=Flag.CONCEALED if made_up else 0), Treatment(CLEAN))
        ours.close()
    assert told(path, 60 * SAMPLES) == [(40, 50, GAP, None)]


def test_a_crash_costs_a_torn_line_and_a_restart_goes_on(tmp_path: Path) -> None:
    """Half a line counts for nothing and spoils nothing; the silence until the next packet is the restart's, whatever else is said."""
    path = tmp_path / "spans.log"
    end = journal(path, (50, CLEAN, None), (50, DENOISE_OFF, None), close=False)
    whole = path.read_bytes()
    for torn in (b"1", b"96000 byp", b"96000 bypass", b"96000 bypass too_slow"):
        path.write_bytes(whole + torn)
        assert told(path, end) == [(50, 100, DENOISE_OFF, None)]
    samples = journal(path, (50, GAP, "parked"), (50, CLEAN, None), first=100, position=end)
    assert told(path, samples) == [(50, 100, DENOISE_OFF, None), (100, 150, GAP, "restart")]
    assert spans.read(path, samples).share == pytest.approx(100 / 150)


def test_what_was_lost_with_the_last_page_is_told_anew(tmp_path: Path) -> None:
    """After a crash the sound goes on somewhat earlier than the journal had come: from there on the later word counts."""
    path = tmp_path / "spans.log"
    journal(path, (50, CLEAN, None), (10, BYPASS, "worker_failed"), close=False)
    samples = journal(path, (20, CLEAN, None), first=45, position=45 * SAMPLES)
    assert told(path, samples) == []
    assert spans.read(path, samples).share == 1.0


def test_there_are_so_many_and_no_more(tmp_path: Path) -> None:
    """Too many spans are joined with their nearest, so that what lies outside of all of them was cleaned; how many is counted."""
    path, count = tmp_path / "spans.log", 3 * spans.MOST_SPANS
    alike: list[Heard] = [(1, BYPASS, "too_slow"), (10, CLEAN, None)] * count
    samples = journal(path, (50, DENOISE_OFF, None), (100, CLEAN, None), *alike, (500, CLEAN, None), (50, GAP, None), (1, CLEAN, None))
    found = spans.read(path, samples)
    assert (len(found.spans), found.merged) == (spans.MOST_SPANS, count + 2 - spans.MOST_SPANS)
    assert found.share == pytest.approx((101 + 10 * count + 500) / (samples // SAMPLES - 50))
    assert [found.spans[0][2:], found.spans[-1][2:]] == [(DENOISE_OFF, None), (GAP, None)]
    assert all(one.end < other.begin for one, other in zip(found.spans, found.spans[1:], strict=False))
    late = [(150 + 11 * each) * SAMPLES for each in range(count)]
    assert all(any(each.begin <= at < each.end for each in found.spans) for at in late)


def test_a_journal_grows_ever_more_slowly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many lines a clean stretch has to last twice as long to be told: trouble without end becomes one stretch of it."""
    monkeypatch.setattr(spans, "LINES", 100)
    wavering: list[Heard] = [(1, BYPASS, "too_slow"), (SHORTEST // SAMPLES, CLEAN, None)]
    for times in (50, 5000):
        journal(tmp_path / f"{times}.log", *(wavering * times))
    lines = [len((tmp_path / f"{times}.log").read_bytes().splitlines()) for times in (50, 5000)]
    assert lines[0] == 100 and lines[1] <= 102


@pytest.mark.parametrize("text", [b"", b"\n\n", b"garbage\n", b"-5 clean -\n", b"5 clear -\n", b"9" * 400 + b" clean -\n", b"\xff\x00\n"])
def test_a_journal_of_nothing_says_that_nothing_was_heard(tmp_path: Path, text: bytes) -> None:
    """Whatever is in it; and past the end of the sound nothing counts."""
    path = tmp_path / "spans.log"
    path.write_bytes(text + b"48000 clean -\n")
    assert spans.read(path, 48_000) == ([Span(0, 48_000, GAP, None)], 0.0, 0)
    assert spans.read(path, 0) == ([], 0.0, 0)
