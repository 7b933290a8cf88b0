"""Law 1 as a table: each room and the rooms that it may import. A room is a folder; a root-level module is a room of its own."""

from collections.abc import Mapping

ROOMS: Mapping[str, str] = {
    # the media plane, from the pure parts to the switchboard
    "sfu": "",
    "sfu.deadline_timer": "",
    "sfu.drop_counters": "",
    "sfu.elapsed": "",
    "sfu.errors": "",
    "sfu.histogram": "",
    "sfu.rfc3339": "",
    "sfu.rolling_quantiles": "",
    "sfu.standstill": "",
    "sfu.tasks": "",
    "sfu.config": "sfu.errors workers.chunks",
    "sfu.wire": "sfu.errors",
    "sfu.net": "sfu.config sfu.standstill sfu.tasks sfu.wire",
    "sfu.peer": "sfu.config sfu.drop_counters sfu.errors sfu.net sfu.wire",
    "sfu.ingest": "sfu.deadline_timer sfu.rolling_quantiles sfu.standstill sfu.wire workers.link",
    "sfu.denoise": "sfu.errors sfu.rolling_quantiles sfu.standstill sfu.tasks workers.errors workers.link",
    "sfu.fanout": "sfu.deadline_timer sfu.net sfu.peer sfu.rolling_quantiles sfu.wire workers.link",
    "sfu.recording": "sfu.tasks workers.disk_room workers.link workers.recordings",
    "sfu.broadcast": "sfu.config sfu.denoise sfu.drop_counters sfu.elapsed sfu.errors sfu.fanout sfu.histogram sfu.ingest sfu.peer"
    " sfu.recording sfu.rfc3339 sfu.rolling_quantiles sfu.standstill sfu.tasks sfu.wire workers.disk_room workers.link"
    " workers.recordings",
    # the denoise processes and their contract
    "workers": "",
    "workers.child": "workers.interrupt workers.pdeathsig workers.root",
    "workers.chunks": "",
    "workers.denoiser": "",
    "workers.disk_room": "",
    "workers.errors": "",
    "workers.hugepages": "",
    "workers.interrupt": "",
    "workers.pdeathsig": "",
    "workers.root": "",
    "workers.extra_python": "workers.errors workers.root",
    "workers.registry": "workers.denoiser workers.errors workers.root",
    "workers.link": "workers.errors workers.root",
    "workers.voice": "workers.denoiser workers.errors workers.link",
    "workers.forkserver": "workers.denoiser workers.errors workers.extra_python workers.hugepages workers.link workers.pdeathsig"
    " workers.registry workers.root workers.voice",
    "workers.recordings": "workers.disk_room workers.link workers.pdeathsig workers.voice",
    "workers.weights": "workers.child workers.disk_room workers.pdeathsig workers.root",
    "workers.graphs": "workers.weights",
    "workers.deepfilternet": "workers.errors workers.extra_python workers.graphs workers.weights",
    "workers.plugins": "workers.deepfilternet workers.denoiser workers.errors workers.extra_python workers.registry workers.weights",
    "workers.models": "workers.child workers.deepfilternet workers.disk_room workers.errors workers.extra_python workers.graphs"
    " workers.pdeathsig workers.root workers.weights",
    "workers.files.containers": "workers.recordings",
    "workers.files": "workers.child workers.chunks workers.denoiser workers.errors workers.extra_python workers.files.containers"
    " workers.interrupt workers.models workers.pdeathsig workers.plugins workers.registry workers.root workers.voice"
    " workers.weights",
    # the database
    "db.migrations": "",
    "db": "db.migrations",
    # HTTP, from what knows no other room of web to what puts everything together
    "web": "",
    "web.errors": "sfu.errors",
    "web.install": "",
    "web.private_folder": "",
    "web.quick_start": "",
    "web.keys": "db sfu.broadcast sfu.config sfu.denoise",
    "web.http": "db sfu.config sfu.errors sfu.histogram sfu.standstill sfu.tasks web.errors",
    "web.logs": "sfu.config web.http",
    "web.metrics": "db sfu.broadcast sfu.denoise sfu.drop_counters sfu.fanout sfu.histogram sfu.net web.http web.logs",
    "web.events": "sfu.broadcast sfu.rfc3339 web.errors web.http",
    "web.auth": "db sfu.errors web.errors web.events web.http web.keys",
    "web.pages": "db sfu.config sfu.errors web.auth web.http web.keys",
    "web.nodes": "db sfu.broadcast sfu.config sfu.errors sfu.tasks web.auth web.errors web.events web.http",
    "web.signalling": "db sfu.config sfu.errors sfu.tasks web.auth web.errors web.events web.http web.keys web.live web.nodes"
    " web.recordings",
    "web.accounts": "db sfu.config sfu.errors sfu.rfc3339 web.auth web.errors web.events web.http web.keys web.live web.recordings",
    "web.denoisers": "sfu.config sfu.denoise sfu.tasks web.http workers.child workers.errors workers.link workers.models workers.registry",
    "web.recordings": "db sfu.config sfu.errors sfu.recording sfu.rfc3339 web.auth web.errors web.http web.keys workers.child"
    " workers.disk_room workers.recordings",
    "web.live": "db sfu.broadcast sfu.config sfu.elapsed sfu.errors sfu.peer sfu.rfc3339 sfu.tasks sfu.wire web.auth"
    " web.denoisers web.errors web.events web.http web.keys web.nodes web.recordings",
    "web.admin": "db sfu.config sfu.errors sfu.rfc3339 web.accounts web.acme web.auth web.denoisers web.errors web.events web.http"
    " web.keys web.live web.logs web.operations web.pages",
    "web.operations": "db sfu.errors web.auth web.events web.http web.keys web.metrics web.nodes web.recordings",
    "web.connections": "sfu.config sfu.net sfu.wire web.auth web.http",
    "web.acme": "sfu.config sfu.tasks web.connections web.http",
    "web.media": "sfu.broadcast sfu.config sfu.denoise sfu.drop_counters sfu.fanout sfu.ingest sfu.net sfu.peer sfu.wire"
    " web.denoisers web.events web.http web.keys web.live web.metrics web.recordings workers.disk_room"
    " workers.models",
    "web.reference": "web.http",
    "web.routes": "web.accounts web.admin web.http web.live web.operations web.pages web.recordings web.reference",
    "web.app": "db sfu.config sfu.denoise sfu.standstill web.accounts web.auth web.events web.http web.keys"
    " web.live web.logs web.media web.metrics web.nodes web.operations web.pages web.recordings web.routes web.signalling"
    " workers.disk_room",
    "web.serve": "db sfu.config web.accounts web.acme web.app web.connections web.http web.keys web.logs web.media web.nodes web.operations"
    " web.private_folder web.quick_start workers.hugepages workers.root",
    "web.cli": "db sfu.config sfu.net sfu.rfc3339 web.acme web.app web.auth web.errors web.http web.install web.private_folder"
    " web.recordings web.serve workers.child workers.disk_room workers.interrupt workers.pdeathsig workers.recordings workers.root"
    " workers.weights",
    "run": "web.install workers.interrupt",
}

# Law 1: text, packets and rules are read, written and applied without a loop, a clock or a log.
PURE = (
    "sfu.wire",
    *(f"sfu.ingest.{name}" for name in "backlog flood_limit mute reception_stats reorder_buffer timeline".split()),
    *(f"sfu.denoise.{name}" for name in "capacity overload_guard restart_policy states".split()),
    *(f"sfu.fanout.{name}" for name in "groups hold".split()),
    *(f"sfu.broadcast.{name}" for name in "adaptation grace_time grants heard loudness states".split()),
)
IMPURE = {"asyncio", "logging", "selectors", "socket", "threading", "time"}
PURE_ALL_THE_SAME = {("sfu.wire.stun", "socket")}  # inet_pton and inet_ntop, which open nothing

# Law 2: of workers the server may know these rooms: the contract, and nothing that denoises.
CONTRACT: Mapping[str, set[str]] = {
    "sfu": set("workers.chunks workers.disk_room workers.errors workers.link workers.recordings".split()),
    "web": {
        *"workers.child workers.disk_room workers.errors workers.hugepages workers.interrupt workers.link workers.models".split(),
        *"workers.pdeathsig workers.recordings workers.registry workers.root workers.weights".split(),
    },
}
PARTS = ("sfu.ingest", "sfu.denoise", "sfu.fanout", "sfu.recording")  # of one broadcast; they meet in sfu.broadcast only

# Libraries that belong to other rooms, and the tests, whose benchmarks only run.py starts.
STRANGERS: Mapping[str, set[str]] = {
    "sfu": {"tests", "aiohttp", "aiohttp_session", "peewee", "playhouse", "torch", "onnxruntime", "df", "libdf", "scipy"},
    "workers": {"tests", "aiohttp", "aiohttp_session", "peewee", "playhouse", "aiortc", "aioice"},
    "db": {"tests", "aiohttp", "aiohttp_session", "aiortc", "aioice", "torch", "onnxruntime", "df", "numpy"},
    "web": {"tests", "peewee", "playhouse", "torch", "onnxruntime", "df", "libdf", "numpy"},
}
