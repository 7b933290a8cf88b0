"""The Opus file: exact in time, whole after a crash."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.spoken import decoded, packets_of, sound_of
from workers.link.opus_toc import opus_samples
from workers.recordings import decode, ogg, opusfile
from workers.recordings.opusfile import OpusFile

FRAMES = {2.5: 120, 5: 240, 10: 480, 20: 960, 40: 1920, 60: 2880}


def written(path: Path, plan: list[tuple[float, int, int]]) -> int:
    """Write (frame_ms, packets, hole after them in samples) for each; returns the length."""
    file = OpusFile.create(path, 1)
    for frame_ms, count, hole in plan:
        for payload in packets_of(0.5, frame_ms)[:count]:
            file.packet(payload, FRAMES[frame_ms])
        file.fill(file.position + hole)
    length = file.position
    file.close(length)
    return length


def test_the_checksum_is_that_of_ogg() -> None:
    """FFmpeg's check of a page agrees with ours; so does the bit-by-bit definition."""
    page = bytes(range(256)) * 3
    remainder = 0
    for byte in page:
        remainder ^= byte << 24
        for _ in range(8):
            remainder = (remainder << 1 ^ (0x04C11DB7 if remainder & 0x80000000 else 0)) & 0xFFFFFFFF
    assert ogg.checksum(page) == remainder


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(FRAMES)), st.integers(1, 8), st.integers(0, 400).map(lambda quanta: quanta * 120)),
        min_size=1,
        max_size=6,
    )
)
def test_a_file_decodes_to_the_length_of_its_time_line(plan: list[tuple[float, int, int]]) -> None:
    """Whatever frames and holes there are, players decode exactly the samples of the time line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.opus"
        length = written(path, plan)
        assume(length >= opusfile.PRE_SKIP)  # FFmpeg does not get less than 6.5 ms right
        assert opusfile.length(path) == length
        assert len(decoded(path)) == length


def test_the_sound_lies_where_it_was(tmp_path: Path) -> None:
    """After a hole of a second the sound goes on at its true place, but for what SILK's resampler rounds."""
    file = OpusFile.create(tmp_path / "x.opus", 1)
    payloads, sound = packets_of(3), sound_of(3)
    for number, payload in enumerate(payloads):
        if not 50 <= number < 100:
            file.fill(number * 960)
            file.packet(payload, 960)
    file.close(len(sound))
    heard = decoded(tmp_path / "x.opus")
    assert len(heard) == len(sound)
    for begin in (24_000, 120_000):
        ours = [float(np.dot(heard[begin + lag : begin + lag + 9600], sound[begin : begin + 9600])) for lag in range(-400, 401)]
        assert abs(int(np.argmax(ours)) - 400) <= 4
    assert np.abs(heard[60_000:90_000]).max() < 0.05


@pytest.mark.parametrize("toc", [config << 3 | stereo << 2 for config in range(32) for stereo in (0, 1)])
def test_what_fills_a_hole_lasts_as_long_as_the_hole(toc: int) -> None:
    """For every TOC byte the filling has the hole's length, single frames only, and the same number of channels."""
    packet, count, shorter = opusfile.silent_packets(toc, 3 * 960 + 480 + 240 + 120)
    fillings = [packet] * count + [bytes([byte]) for byte in shorter]
    assert sum(opus_samples(filling) for filling in fillings) == 3 * 960 + 840
    assert all(filling[0] & 7 == toc & 4 for filling in fillings)


@pytest.mark.parametrize("lost", [1, 30, 200, 1000])
def test_a_file_cut_anywhere_is_taken_up_again(tmp_path: Path, lost: int) -> None:
    """What was written before the cut stays, the file goes on after it, and its length is what is asked for."""
    path = tmp_path / "x.opus"
    length = written(path, [(20, 25, 0)] * 4)
    path.write_bytes(path.read_bytes()[:-lost])
    assert 0 <= length - opusfile.length(path) <= 24_000
    file = OpusFile.resume(path)
    assert file is not None
    file.close(length)
    assert len(decoded(path)) == length
    assert OpusFile.resume(path) is None


def test_a_file_cut_at_any_byte_goes_on(tmp_path: Path) -> None:
    """Wherever a crash cut it: whole pages stay, serial, sequence and granule go on, and what is said later lies at its time."""
    path, cut = tmp_path / "x.opus", tmp_path / "y.opus"
    file, payloads = OpusFile.create(path, 1), packets_of(0.9)
    for payload in payloads:
        file.packet(payload, 960)
    file.leave()
    content = path.read_bytes()
    with path.open("rb") as whole:
        pages = list(ogg.pages(whole))
    later = 48_000 * 2
    for size in range(pages[1].offset + pages[1].size, len(content) + 1):
        kept = [page for page in pages if page.offset + page.size <= size]
        cut.write_bytes(content[:size])
        resumed = OpusFile.resume(cut)
        assert resumed is not None and resumed.position == kept[-1].granule
        resumed.fill(later)
        for payload in payloads[:5]:
            resumed.packet(payload, 960)
        resumed.close(later + 4800)
        with cut.open("rb") as again:
            found = list(ogg.pages(again))
        assert cut.stat().st_size == found[-1].offset + found[-1].size
        assert found[: len(kept)] == kept and found[-1].flags & ogg.LAST
        assert [page.sequence for page in found] == list(range(len(found)))
        assert {page.serial for page in found} == {pages[0].serial}
        assert [page.granule for page in found] == sorted(page.granule for page in found)
        assert opusfile.length(cut) == later + 4800
    assert len(decoded(cut)) == later + 4800


@pytest.mark.parametrize("size", [0, 1, 27, 46, 47, 48, 80])
def test_a_file_cut_within_its_heads_is_nothing(tmp_path: Path, size: int) -> None:
    """Without both headers there is nothing to go on with, and it is left as it is."""
    path = tmp_path / "x.opus"
    OpusFile.create(path, 1).abandon()
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match="no sound"):
        OpusFile.resume(path)
    assert path.stat().st_size == size


def test_an_empty_file_is_no_recording(tmp_path: Path) -> None:
    """Nothing, rubbish and half a header cannot be resumed, and have no length."""
    path = tmp_path / "x.opus"
    for content in (b"", b"OggS", bytes(4000)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="no sound"):
            OpusFile.resume(path)
        assert opusfile.length(path) == 0


def test_packets_are_found_from_any_place(tmp_path: Path) -> None:
    """A place in the middle is reached over one packet of a known position, early enough for the decoder."""
    path = tmp_path / "x.opus"
    written(path, [(20, 25, 24_000)] * 30)
    whole = list(opusfile.packets_from(path, 0))
    for sample in (0, 500_000, 700_001, 1_000_000):
        part = list(opusfile.packets_from(path, sample))
        assert part == whole[len(whole) - len(part) :]
        assert part[0][0] <= max(0, sample - opusfile.PREROLL + opusfile.PRE_SKIP)


OVERLONG = bytes([3 << 3 | 3, 63])  # 63 frames of 60 ms: malformed, for a packet has at most 120 ms


def test_malformed_packets_take_no_time(tmp_path: Path) -> None:
    """A packet found in a file begins where those before it end, and one that is malformed lasts for no time; so its sound does too."""
    path, payloads = tmp_path / "x.opus", packets_of(3)
    file = OpusFile.create(path, 1)
    places = []
    for number, payload in enumerate(payloads):
        if number % 7 == 3:
            places += [(file.position, OVERLONG), (file.position, OVERLONG[:1])]
            file.packet(OVERLONG, 0)
            file.packet(OVERLONG[:1], 0)
        places.append((file.position, payload))
        file.packet(payload, 960)
    file.close(file.position)
    whole = list(opusfile.packets_from(path, 0))
    assert [(time + opusfile.PRE_SKIP, payload) for time, payload in whole[:-1]] == places
    later = list(opusfile.packets_from(path, 96_000))
    assert later == whole[-len(later) :] and later[0][0] > 0
    assert sum(len(block) for block in decode.sound(path, 0, len(payloads) * 960)) == len(payloads) * 960
