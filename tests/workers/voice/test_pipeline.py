"""From packet to packet: places in time, losses, gaps, strength."""

import ctypes
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.support.sound import read_wav
from tests.workers.conftest import graph_of
from tests.workers.speech import Broken, Paired, Silencer, Slow, decoded, lag, packets, places, voice
from workers import registry
from workers.denoiser import RATE_HZ, Sound
from workers.errors import WorkerFailed
from workers.link.opus_toc import opus_samples
from workers.link.ring import Flag, Packet
from workers.plugins.deepfilternet import DeepFilterNet3LowLatency
from workers.plugins.passthrough import Passthrough
from workers.plugins.rnnoise import RNNoise
from workers.voice.opus import Encoder, has_fec, joined, library
from workers.voice.pipeline import Pipeline, dbfs
from workers.weights.weights import FAMILIES


def through(pipeline: Pipeline, sent: Iterable[Packet]) -> list[Packet]:
    """Everything that comes out, the flushed tail included."""
    out = [done for packet in sent for done in pipeline.push(packet)]
    out += pipeline.flush()
    pipeline.close()
    return out


@pytest.mark.parametrize("samples", [120, 240, 480, 960, 1920, 2880, 3840, 4800, 5760])
@pytest.mark.parametrize("kind", [Passthrough, Slow])
def test_aligned(kind: type[Passthrough], samples: int) -> None:
    """What comes out as packet n has the number, the time, the duration and, to the sample, the sound of packet n."""
    sent = packets(voice(2), samples)
    out = through(Pipeline(kind({})), sent)
    assert places(out) == places(sent)
    before, after = decoded(sent), decoded(out)
    assert lag(before, after) == 0
    start = 4800
    error = after[start:] - before[start:]
    assert dbfs(error) < dbfs(before[start:]) - 8


class Quick(Slow):
    """As late as DeepFilterNet3 without look-ahead, and nothing else: with what the encoder looks ahead it is within a packet."""

    latency, latency_ms = 480, DeepFilterNet3LowLatency.latency_ms


@pytest.mark.parametrize(("kind", "latency", "delay"), [(Passthrough, 0, 960), (Quick, 480, 960), (RNNoise, 960, 1920), (Slow, 1440, 1920)])
def test_delay(kind: type[Passthrough], latency: int, delay: int) -> None:
    """Packet n comes out with packet n + delay, in whole packets."""
    pipeline = Pipeline(kind({}))
    assert (pipeline.latency, pipeline.delay) == (latency, delay)
    for packet in packets(voice(0.5)):
        out = pipeline.push(packet)
        assert [(done.number, done.arrival_ns) for done in out] == [
            (packet.number - delay // 960, packet.arrival_ns) for _ in range(packet.number * 960 >= delay)
        ]
    pipeline.close()


def test_padded() -> None:
    """A quick denoiser is padded to the latency in force."""
    sent = packets(voice(1))
    pipeline = Pipeline(Passthrough({}), latency=1440)
    assert pipeline.delay == 1920
    out = through(pipeline, sent)
    assert lag(decoded(sent), decoded(out)) == 0


def test_sizes_change() -> None:
    """Packets of all durations in a row keep their places."""
    sound, encoder, sent, at = voice(3), Encoder(bitrate=96_000), [], 0
    for number in range(60):
        samples = (120, 960, 240, 5760, 480, 2880, 1920)[number % 7]
        if at + samples > len(sound):
            break
        sent.append(Packet(number, at, samples, 0, encoder.encode(sound[at : at + samples])))
        at += samples
    encoder.close()
    out = through(Pipeline(Slow({})), sent)
    assert places(out) == places(sent)
    assert lag(decoded(sent), decoded(out)) == 0


def test_odd_duration() -> None:
    """A packet of three frames of 10 ms, that no encoder makes at once, comes back with the same duration."""
    frames = packets(voice(1), 480)
    sent = [Packet(n, n * 1440, 1440, 0, joined([frame.payload for frame in frames[3 * n : 3 * n + 3]])) for n in range(len(frames) // 3)]
    out = through(Pipeline(Passthrough({})), sent)
    assert places(out) == places(sent)
    assert all(opus_samples(packet.payload) == 1440 for packet in out)


def test_stereo() -> None:
    """Two channels are folded: the half of each, in its place."""
    left, right = voice(1, seed=1), voice(1, seed=2)
    sent = packets_of_two(left, right)
    assert library().opus_packet_get_nb_channels(sent[9].payload) == 2
    out = through(Pipeline(Slow({})), sent)
    assert places(out) == places(sent)
    heard, truth = decoded(out)[312 + 4800 :], ((left + right) / 2)[4800:-312]
    assert dbfs(heard - truth) < dbfs(truth) - 8


def packets_of_two(left: Sound, right: Sound) -> list[Packet]:
    """Stereo packets, which our encoder does not make."""
    lib, room, failure = library(), ctypes.create_string_buffer(1500), ctypes.c_int()
    state = lib.opus_encoder_create(48_000, 2, 2049, ctypes.byref(failure))
    both, made = np.stack((left, right), axis=1).reshape(-1, 960, 2).astype(np.float32), []
    lib.opus_encoder_ctl(state, 4002, ctypes.c_int(128_000))
    for number, frame in enumerate(both):
        frame = np.ascontiguousarray(frame)
        size = lib.opus_encode_float(state, frame.ctypes.data, 960, room, 1500)
        made.append(Packet(number, number * 960, 960, 0, room.raw[:size]))
    lib.opus_encoder_destroy(state)
    return made


@pytest.mark.parametrize("lost", [1, 2, 5, 20])
def test_hole(lost: int) -> None:
    """Lost packets are filled in with their numbers and times; the last of them by FEC."""
    sent = packets(voice(2), loss_percent=20)
    pipeline = Pipeline(Slow({}))
    first = next(n for n in range(30, 60) if has_fec(sent[n + lost].payload))
    out = through(pipeline, sent[:first] + sent[first + lost :])
    assert places(out) == places(sent)
    flags = [packet.flags for packet in out[first : first + lost]]
    assert flags == [Flag.CONCEALED] * (lost - 1) + [Flag.REPAIRED]
    assert not any(packet.flags for packet in out[:first] + out[first + lost :])
    counts = pipeline.counts
    assert (counts.lost, counts.concealed, counts.repaired, counts.jumps) == (lost, lost - 1, 1, 0)
    before, after = decoded(sent), decoded(out)
    assert lag(before[-30 * 960 :], after[-30 * 960 :]) == 0


def test_repair_is_better() -> None:
    """The frame that FEC brought back is nearer to the truth than a concealed one."""
    sound = voice(3)
    sent = packets(sound, loss_percent=20)
    gone = set(range(20, len(sent) - 2, 10))
    truth = decoded(sent)

    def error(kept: list[Packet]) -> float:
        heard = decoded(through(Pipeline(Passthrough({})), kept))
        return float(np.mean([dbfs(heard[n * 960 : (n + 1) * 960] - truth[n * 960 : (n + 1) * 960]) for n in gone]))

    with_fec = error([packet for packet in sent if packet.number not in gone])
    plain = packets(sound)
    truth = decoded(plain)
    without = error([packet for packet in plain if packet.number not in gone])
    assert with_fec < without - 2


def test_long_hole() -> None:
    """A hole of 400 ms is concealed at first and silent then."""
    sent = packets(voice(2))
    sound = decoded(through(Pipeline(Passthrough({})), sent[:40] + sent[60:]))
    assert dbfs(sound[40 * 960 : 42 * 960]) > -40
    assert dbfs(sound[48 * 960 : 58 * 960]) < -60
    assert dbfs(sound[62 * 960 :]) > -25


def test_huge_hole() -> None:
    """An hour of lost packets costs no more than a gap does."""
    sent = packets(voice(1))
    later = [packet._replace(number=packet.number + 180_000, time=packet.time + 180_000 * 960) for packet in sent]
    pipeline = Pipeline(Slow({}))
    out = through(pipeline, sent + later)
    assert places(out) == places(sent + later)
    assert pipeline.counts.lost == 180_000 - len(sent)
    assert pipeline.hops.count < 250


@pytest.mark.parametrize("gap", [960, 19_200, 48_000 * 7200, -30 * 960, -48_000 * 7200])
def test_gap(gap: int) -> None:
    """A step of the time line alone is kept as it is, flagged and counted, and all sound before and after it comes out."""
    sent = packets(voice(1))
    later = [packet._replace(number=packet.number + len(sent), time=packet.time + len(sent) * 960 + gap) for packet in sent]
    pipeline = Pipeline(Slow({}))
    out = through(pipeline, sent + later)
    assert places(out) == places(sent + later)
    assert [packet.number for packet in out if packet.flags == Flag.JUMP] == [len(sent)]
    assert (pipeline.counts.jumps, pipeline.counts.lost) == (1, 0)
    half = len(sent) * 960
    before, after = decoded(sent), decoded(out)
    assert lag(before, after[:half]) == 0
    assert lag(before, after[half:]) == 0


def test_flush() -> None:
    """After a flush everything is out, and the sound goes on in its place."""
    sent = packets(voice(2))
    pipeline = Pipeline(Slow({}))
    out = [done for packet in sent[:30] for done in pipeline.push(packet)]
    assert pipeline.waiting
    out += pipeline.flush()
    assert places(out) == places(sent[:30]) and not pipeline.waiting
    assert pipeline.flush() == []
    assert pipeline.flushes == 1
    out += through(pipeline, sent[30:])
    assert places(out) == places(sent)
    before, after = decoded(sent), decoded(out)
    for part in (slice(0, 30 * 960), slice(30 * 960, None)):
        assert lag(before[part], after[part]) == 0


@pytest.mark.parametrize("lost", [1, 3, 6])
def test_loss_after_flush(lost: int) -> None:
    """Up to 120 ms are made up behind a flush as before it: at their places, no silence, and what follows is where it was."""
    sent = packets(voice(2))
    pipeline = Pipeline(Slow({}))
    out = [done for packet in sent[:30] for done in pipeline.push(packet)] + pipeline.flush()
    out += through(pipeline, sent[30 + lost :])
    assert places(out) == places(sent)
    assert [packet.flags for packet in out[30 : 30 + lost]] == [Flag.CONCEALED] * lost
    assert (pipeline.counts.lost, pipeline.counts.concealed, pipeline.counts.repaired) == (lost, lost, 0)
    before, after = decoded(sent), decoded(out)
    assert dbfs(after[30 * 960 : 32 * 960]) > dbfs(before[30 * 960 : 32 * 960]) - 12
    assert lag(before[-30 * 960 :], after[-30 * 960 :]) == 0


def test_a_long_loss_after_flush() -> None:
    """Of more nothing is made up; what FEC brings comes."""
    sent = packets(voice(2), loss_percent=20)
    pipeline = Pipeline(Slow({}))
    out = [done for packet in sent[:30] for done in pipeline.push(packet)] + pipeline.flush()
    first = next(n for n in range(40, 60) if has_fec(sent[n].payload))
    out += through(pipeline, sent[first:])
    assert places(out) == places(sent[:30] + sent[first - 1 :])
    assert out[30].flags == Flag.REPAIRED
    assert (pipeline.counts.lost, pipeline.counts.concealed, pipeline.counts.repaired) == (first - 30, 0, 1)


@pytest.mark.parametrize("gap", [10, 100])
def test_skipped(gap: int) -> None:
    """What a late worker passed over was heard as it was: it is not made up, costs nothing, and counts neither as lost nor as concealed."""
    sent = packets(voice(3))
    late = sent[20 + gap :]
    pipeline = Pipeline(Slow({}))
    out = [done for packet in sent[:20] for done in pipeline.push(packet)]
    hops = pipeline.hops.count
    out += pipeline.push(late[0], skipped=True)
    assert pipeline.hops.count - hops <= 8
    counts = pipeline.counts
    out += through(pipeline, late[1:])
    assert places(out) == places(sent[:20] + late)
    assert (counts.lost, counts.concealed, counts.repaired, counts.jumps) == (0, 0, 0, 0)


@pytest.mark.parametrize("garbage", [b"", b"\xff" * 3, b"\x03", bytes([255, 255, 255, 255] * 20)])
def test_garbage(garbage: bytes) -> None:
    """A packet of garbage is concealed in its place and counted."""
    sent = packets(voice(1))
    sent[20] = sent[20]._replace(payload=garbage)
    pipeline = Pipeline(Slow({}))
    out = through(pipeline, sent)
    assert places(out) == places(sent)
    assert pipeline.counts.garbage == 1
    assert out[20].flags == Flag.CONCEALED


def test_nothing_but_garbage() -> None:
    """Random bytes as packets, with random places, make no exception but a dead model's."""
    chance = np.random.default_rng(7)
    pipeline = Pipeline(Slow({}))
    for _ in range(500):
        payload = chance.bytes(int(chance.integers(0, 200)))
        place = (int(chance.integers(0, 300)), int(chance.integers(-(2**40), 2**40)), int(chance.integers(0, 7000)))
        for done in pipeline.push(Packet(*place, 0, payload)):
            assert opus_samples(done.payload) == done.samples
    pipeline.flush()
    pipeline.close()


def test_straggler() -> None:
    """A packet that comes late or twice is counted and dropped."""
    sent = packets(voice(1))
    pipeline = Pipeline(Passthrough({}))
    out = through(pipeline, sent[:20] + sent[15:20] + sent[20:])
    assert places(out) == places(sent)
    assert pipeline.counts.garbage == 5


def test_nan() -> None:
    """No finite numbers end the worker with that reason."""
    pipeline = Pipeline(Broken({}))
    with pytest.raises(WorkerFailed) as caught:
        through(pipeline, packets(voice(1)))
    assert caught.value.reason == "nan"
    assert pipeline.hops.nan == 1


def test_strength() -> None:
    """The attenuation limit leaves that much of the noisy sound, in its place."""
    sent = packets(voice(2))
    before = decoded(sent)
    for strength_db in (0.0, 6.0, 20.0):
        pipeline = Pipeline(Silencer({}), latency=1440)
        pipeline.adjust(strength_db=strength_db)
        after = decoded(through(pipeline, sent))
        assert lag(before, after) == 0
        assert dbfs(after) - dbfs(before) == pytest.approx(-strength_db, abs=0.6)


def test_no_limit() -> None:
    """100 dB are no limit."""
    pipeline = Pipeline(Silencer({}))
    pipeline.adjust(strength_db=100)
    assert dbfs(decoded(through(pipeline, packets(voice(0.5))))) < -100


def test_strength_changes_smoothly() -> None:
    """A change of strength goes over 20 ms: no jump between two samples above those of the sound itself."""
    tone = (0.5 * np.sin(np.arange(96_000) * 2 * np.pi * 200 / RATE_HZ)).astype(np.float32)
    pipeline = Pipeline(Silencer({}))
    out = []
    for packet in packets(tone):
        if packet.number % 20 == 10:
            pipeline.adjust(strength_db=0 if packet.number % 40 == 10 else 100)
        out += pipeline.push(packet)
    sound = decoded(out + pipeline.flush())[4800:-4800]
    pipeline.close()
    assert np.abs(np.diff(sound)).max() < 1.5 * np.abs(np.diff(tone)).max()


@pytest.mark.parametrize("samples", [120, 480, 960, 2880])
def test_blocks_at_once(samples: int) -> None:
    """Who takes two blocks in a call gets them where they lie there, one by one in a cross-fade; what comes out is the same bit for bit."""

    def out_of(first: Slow, then: Slow) -> list[tuple[int, bytes]]:
        pipeline, out = Pipeline(first), []
        for packet in packets(voice(1.5), samples):
            if packet.time == 28_800:
                pipeline.change(then)
            out += pipeline.push(packet)
        out += pipeline.flush()
        pipeline.close()
        return [(packet.number, packet.payload) for packet in out]

    paired, both = Paired({}), Paired({})
    wanted = out_of(Slow({}), Slow({}))
    assert out_of(paired, both) == wanted == out_of(Paired({}), Slow({})) == out_of(Slow({}), Paired({}))
    assert set(both.given[:6]) == {1}
    assert set(both.given[6:-8]) == ({2} if samples >= 960 else {1})


def test_change() -> None:
    """Another denoiser takes over in place, without a gap or a jump."""
    tone = (0.5 * np.sin(np.arange(96_000) * 2 * np.pi * 200 / RATE_HZ)).astype(np.float32)
    sent = packets(tone)
    pipeline = Pipeline(Slow({}))
    out = []
    for packet in sent:
        if packet.number in (30, 50):
            pipeline.change(Passthrough({}) if packet.number == 30 else Slow({}))
        out += pipeline.push(packet)
    out += pipeline.flush()
    pipeline.close()
    assert places(out) == places(sent)
    before, after = decoded(sent)[4800:-4800], decoded(out)[4800:-4800]
    assert lag(before, after) == 0
    assert np.abs(np.diff(after)).max() < 1.2 * np.abs(np.diff(before)).max()


@pytest.mark.parametrize("at", [0, 1, 24, 25, 26, 27, 28, 30])
@pytest.mark.parametrize("samples", [480, 960])
def test_change_to_a_later_one(at: int, samples: int) -> None:
    """One that is later than the delay in force makes all later, once, whatever was being faded: nothing is lost, moved or torn."""

    def changed(sent: list[Packet]) -> list[Packet]:
        pipeline, later, out = Pipeline(Passthrough({}), delay=1920), Slow({}), []
        later.latency = 2400
        for packet in sent:
            if packet.number == 24:
                pipeline.change(Passthrough({}))
            if packet.number == at:
                assert pipeline.takes(later)
                pipeline.change(later)
                assert pipeline.delay == 2880
            if packet.number == 40:
                pipeline.change(Slow({}))
            out += pipeline.push(packet)
        out += pipeline.flush()
        pipeline.close()
        assert places(out) == places(sent)
        return out

    said = packets(voice(2), samples)
    assert lag(decoded(said)[4800:], decoded(changed(said))[4800:]) == 0
    hummed = packets((0.5 * np.sin(np.arange(96_000) * 2 * np.pi * 200 / RATE_HZ)).astype(np.float32), samples)
    before, after = decoded(hummed)[4800:-4800], decoded(changed(hummed))[4800:-4800]
    assert np.abs(np.diff(after)).max() < 1.2 * np.abs(np.diff(before)).max()


def test_an_odd_one_is_not_taken() -> None:
    """One that is later by a part of a block would need another delay than it has alone: it is left to another worker."""
    later = Slow({})
    later.latency = 1500
    pipeline = Pipeline(Slow({}))
    assert not pipeline.takes(later) and pipeline.takes(Passthrough({}))
    pipeline.close()


@pytest.mark.parametrize("latency", [0, 2400])
def test_change_is_heard_soon(latency: int) -> None:
    """With the fifth packet after the change, which is 100 ms, the old denoiser is not heard any more."""
    sent, then = packets(voice(1)), Silencer({})
    then.latency = latency
    pipeline = Pipeline(Slow({}))
    out = []
    for packet in sent:
        if packet.number == 20:
            pipeline.change(then)
        out += pipeline.push(packet)
        if packet.number == 24:
            heard = len(out)
    pipeline.close()
    assert dbfs(decoded(out)[heard * 960 :]) < -60
    assert dbfs(decoded(out)[25 * 960 :]) < -60


def test_levels() -> None:
    """Each packet tells how loud it was before and after; what the sender told is believed."""
    sent = packets(voice(0.5))
    out = through(Pipeline(Silencer({})), [sent[0]._replace(original_dbfs=-33.0), *sent[1:]])
    assert out[0].original_dbfs == -33.0
    assert out[10].original_dbfs == pytest.approx(dbfs(decoded(sent)[9600:10560]), abs=0.1)
    assert out[10].denoised_dbfs == -127.0


@pytest.mark.parametrize("name", registry.names())
def test_registered(name: str, request: pytest.FixtureRequest, audio_folder: Path) -> None:
    """Speech through each registered denoiser stays in its place to the sample, and two packets late or what it takes."""
    options = {"graph": graph_of(name, request.getfixturevalue("models_folder"))} if name in FAMILIES else {}
    sent = packets(read_wav(audio_folder / "clean_freesound_33711.wav")[: 300 * 960].astype(np.float32))
    pipeline = Pipeline(registry.load(name)(options))
    assert pipeline.delay == -(-(pipeline.latency + 312) // 960) * 960
    out = through(pipeline, sent)
    assert places(out) == places(sent)
    assert lag(decoded(sent), decoded(out)) == 0


def test_memory() -> None:
    """Ten thousand blocks, losses and flushes among them, take no memory."""
    sent, process = packets(voice(1)), psutil.Process()
    pipeline = Pipeline(Slow({}))

    def blocks(first: int, count: int) -> None:
        for number in range(first, first + count // 2):
            if number % 37:
                pipeline.push(sent[number % len(sent)]._replace(number=number, time=number * 960))
            if number % 91 == 0:
                pipeline.flush()

    blocks(0, 2_000)
    before = process.memory_info().rss
    blocks(1_000, 10_000)
    assert process.memory_info().rss < before + 1_000_000
    pipeline.close()
