"""The status of a broadcast as JSON, in the words of the interface."""

from sfu.broadcast.broadcast import Broadcast
from sfu.broadcast.states import BroadcastState
from sfu.denoise.catalogue import Catalogue
from sfu.rfc3339 import rfc3339
from sfu.rolling_quantiles import RollingQuantiles

RATE_HZ = 48_000


def status_of(broadcast: Broadcast | None, username: str, catalogue: Catalogue, *, names: bool) -> dict[str, object]:
    """Return the status object. names: with the listeners' names, for the broadcaster only."""
    if broadcast is None or not broadcast.on_air:
        waiting = broadcast is not None and broadcast.state is BroadcastState.WAITING
        return _not_live(username, catalogue, (BroadcastState.WAITING if waiting else BroadcastState.ENDED).value)
    worker, run, hearing = broadcast.worker, broadcast.worker.run, broadcast.fanout.listeners  # without those that still connect
    return {
        "username": username,
        "live": True,
        "state": broadcast.state.value,
        "broadcast": broadcast.id,
        "title": broadcast.properties.title,
        "since": rfc3339(broadcast.properties.since),
        "duration_s": round(broadcast.properties.duration_s, 3),
        "listeners": len(hearing),
        "listener_names": sorted({listener.name for listener in hearing}) if names else None,
        "denoise": {
            "enabled": worker.enabled,
            "denoiser": worker.denoiser,
            "state": worker.state.value,
            "reason": worker.reason,
            "strength_db": worker.tuning.strength_db,
        },
        "latency_ms": {
            "algorithmic": broadcast.fanout.held_samples * 1000 / RATE_HZ,
            "ingest": _quantiles(broadcast.ingest.stage_ms),
            "worker": _quantiles(run.stage_ms if run else RollingQuantiles()),
            "fanout": _quantiles(broadcast.fanout.stage_ms),
        },
        "loss": {
            "received": broadcast.ingest.received,
            "lost": broadcast.ingest.lost,
            "concealed": worker.concealed,
        },
        "muted": broadcast.properties.muted,
        "recording": {"id": broadcast.recorded.recording, "failed": broadcast.recorded.failed},
    }


def _not_live(username: str, catalogue: Catalogue, state: str) -> dict[str, object]:
    denoiser, reason = catalogue.chosen(None)
    nothing = {"p50": 0.0, "p99": 0.0}
    return {
        "username": username,
        "live": False,
        "state": state,
        "broadcast": None,
        "title": None,
        "since": None,
        "duration_s": 0,
        "listeners": 0,
        "listener_names": None,
        "denoise": {"enabled": False, "denoiser": denoiser, "state": "off", "reason": reason, "strength_db": None},
        "latency_ms": {
            "algorithmic": catalogue.delay_samples(denoiser) * 1000 / RATE_HZ,
            "ingest": nothing,
            "worker": nothing,
            "fanout": nothing,
        },
        "loss": {"received": 0, "lost": 0, "concealed": 0},
        "muted": False,
        "recording": {"id": None, "failed": None},
    }


def _quantiles(measured: RollingQuantiles) -> dict[str, float]:
    return {"p50": round(measured.p50, 3), "p99": round(measured.p99, 3)}
