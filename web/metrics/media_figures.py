"""For /metrics: what is on air, what its parts have done since the start, and the media port."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from sfu.broadcast.broadcast import Broadcast
from sfu.broadcast.meters import MediaMeters
from sfu.broadcast.states import BroadcastState
from sfu.broadcast.switchboard import Switchboard
from sfu.denoise.states import DenoiseState
from sfu.drop_counters import DropCounters
from sfu.fanout.fanout import ResendCounters
from sfu.net.media_port import MediaSockets
from web.http.metrics import Distribution, Sample


def socket_samples(sockets: MediaSockets, drop_counters: DropCounters) -> Iterator[Sample]:
    """The dropped datagrams and connections of the media port by reason, and the open TCP connections."""
    for reason, count in (asdict(sockets.dropped) | drop_counters.totals).items():
        yield Sample("hushcast_media_dropped_total", "counter", "Datagrams and connections dropped.", count, {"reason": reason})
    streams = 0 if sockets.listening is None else sockets.listening.streams
    yield Sample("hushcast_media_connections", "gauge", "Open TCP connections of the media port.", streams)


def switchboard_samples(switchboard: Switchboard, resends: ResendCounters, usual: str) -> Iterator[Sample]:
    """What is on air now, its listeners, and what they asked for again. usual: the denoiser of a broadcast that names none."""
    yield Sample("hushcast_listeners", "gauge", "Who hears something or is about to.", switchboard.listeners)
    yield Sample("hushcast_resources", "gauge", "Media sessions (WHIP and WHEP).", switchboard.media_sessions)
    yield Sample("hushcast_resent_packets_total", "counter", "Packets sent again to listeners.", resends.resent)
    yield Sample("hushcast_resends_refused_total", "counter", "Packets asked for again and not sent.", resends.refused)
    yield from _on_air(switchboard.broadcasts)
    yield from _voices(switchboard.broadcasts, usual)


def _on_air(broadcasts: Iterable[Broadcast]) -> Iterator[Sample]:
    states = Counter(each.state for each in broadcasts)
    for state in BroadcastState:
        if state is not BroadcastState.ENDED:
            yield Sample("hushcast_broadcasts", "gauge", "Broadcasts by state.", states[state], {"state": state.value})
    recorded = sum(each.recorded.recording is not None and each.recorded.failed is None for each in broadcasts)
    failed = sum(each.recorded.failed is not None for each in broadcasts)
    yield Sample("hushcast_broadcasts_recorded", "gauge", "Broadcasts of which a recording is being written.", recorded)
    yield Sample("hushcast_broadcasts_recording_failed", "gauge", "Broadcasts on air whose recording has failed.", failed)


def _voices(broadcasts: Iterable[Broadcast], usual: str) -> Iterator[Sample]:
    """Every state is there for the usual denoiser, so that a rule finds 0 and not nothing."""
    voices = Counter({(state, usual): 0 for state in DenoiseState})
    voices.update((each.worker.state, each.worker.denoiser) for each in broadcasts if each.on_air)
    for (state, denoiser), count in voices.items():
        labels = {"state": state.value, "denoiser": denoiser}
        yield Sample("hushcast_voices", "gauge", "Voices on air by the state of their denoiser.", count, labels)


def meter_samples(meters: MediaMeters, usual: str) -> Iterator[Sample | Distribution]:
    """What all broadcasts have counted and measured since the start. usual: as above."""
    for outcome, count in meters.packets.totals.items():
        help_ = "Broadcasters' packets: received, lost for good, recovered from RED, asked for again."
        yield Sample("hushcast_ingest_packets_total", "counter", help_, count, {"outcome": outcome})
    for reason, count in meters.bypasses.totals.items():
        yield Sample("hushcast_bypasses_total", "counter", "How often a voice was bypassed.", count, {"reason": reason})
    for event, count in meters.worker_runs.totals.items():
        help_ = "Runs of workers: started, failed, begun again after a failure."
        yield Sample("hushcast_worker_runs_total", "counter", help_, count, {"event": event})
    yield Distribution("hushcast_ingest_seconds", "From a datagram's arrival to its delivery.", meters.ingest_s)
    yield Distribution("hushcast_fanout_seconds", "From a packet to the kernel's having what it released.", meters.fanout_s)
    for denoiser, histogram in meters.worker_times(usual).items():
        yield Distribution("hushcast_worker_seconds", "From ring to ring, the worker between.", histogram, {"denoiser": denoiser})
