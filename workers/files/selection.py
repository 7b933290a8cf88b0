"""A name on the command line -> a ready denoiser: finds or fetches its weights, and builds its graph if there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workers import interrupt, registry
from workers.child import ChildFailed, run_and_wait
from workers.denoiser import Denoiser
from workers.errors import UnregisteredDenoiser, WorkerFailed
from workers.extra_python import CUDA, REFERENCE, runner
from workers.files.remote_denoiser import RemoteDenoiser, made
from workers.models import export
from workers.models.cuda import NETS
from workers.plugins.chunked import PREFIX
from workers.root import module_command, module_environment
from workers.weights.fetch import NotFetched, fetch
from workers.weights.weights import FAMILIES, Family, whole

Say = Callable[[str], object]


@dataclass(frozen=True)
class DenoiserSettings:
    """The settings of config.toml that concern a denoiser."""

    paths: tuple[Path, ...] = ()  # searched for weights, in order
    url: str = "upstream"
    download: bool = False
    cache: Path = Path("var/cache")
    chunk_s: float = 2.0
    overlap_s: float = 0.5
    device: str = "cpu"  # "cpu" runs exported graphs, "cuda" the weights themselves
    post_filter: bool = False  # of the DeepFilterNets


def names() -> list[str]:
    """All valid names."""
    return ["auto", *registry.names(), *(f"{PREFIX}{name}" for name in registry.names())]


def has_model(name: str) -> bool:
    """Whether this name stands for a model that torch can run."""
    return name.removeprefix(PREFIX) in (*FAMILIES, "auto")


def chosen(name: str, settings: DenoiserSettings, say: Say) -> tuple[str, Denoiser]:
    """The denoiser and its name, which differs for "auto". `say` is called with lines for a person. Raises WorkerFailed."""
    if name != "auto":
        return name, _loaded(name, settings, say)
    try:
        return registry.FIRST, _loaded(registry.FIRST, settings, say)
    except WorkerFailed as failure:
        say(f"{failure}; taking {registry.FALLBACK}")
        return registry.FALLBACK, _loaded(registry.FALLBACK, settings, say)


def options(name: str, settings: DenoiserSettings, say: Say) -> dict[str, object]:
    """The options for this denoiser's class, JSON-compatible. Raises WorkerFailed."""
    if name not in names():
        raise UnregisteredDenoiser(name, names())
    inner = name.removeprefix(PREFIX)
    family = FAMILIES.get(inner)
    filtered = {"post_filter": True} if settings.post_filter else {}
    if _on_cuda(name, settings):
        assert family is not None
        return {"weights": str(_weights(family, settings, say)), "device": "cuda", **filtered}
    if not name.startswith(PREFIX):
        return {"graph": str(_graph(family, settings, say))} if family else {}
    weights = {"weights": str(_weights(family, settings, say)), **filtered} if family else {}
    return {"denoiser": inner, "chunk_s": settings.chunk_s, "overlap_s": settings.overlap_s, **weights}


def parts(name: str, settings: DenoiserSettings) -> tuple[str, ...]:
    """The parts of `.venv-torch`, any of which this denoiser needs; empty: it runs in this process."""
    if name.removeprefix(PREFIX) not in FAMILIES:
        return ()
    return (REFERENCE,) if name.startswith(PREFIX) else (CUDA,) if _on_cuda(name, settings) else ()


def _on_cuda(name: str, settings: DenoiserSettings) -> bool:
    """Whether the streaming model runs on CUDA."""
    return settings.device == "cuda" and name in NETS


def _loaded(name: str, settings: DenoiserSettings, say: Say) -> Denoiser:
    needed = parts(name, settings)
    if needed:
        runner(name, needed)  # fail before anything is fetched
    with interrupt.raised():  # a fetch or a child may have to be ended
        given = options(name, settings, say)
        if needed:
            return RemoteDenoiser(name, given, needed, cards=settings.device == "cuda")
    return made(name, given)


def _weights(family: Family, settings: DenoiserSettings, say: Say) -> Path:
    found = whole(family, settings.paths, settings.cache, say)
    if found:
        return found
    if not settings.download:
        raise WorkerFailed(f"{family.denoiser}: no weights in {', '.join(map(str, settings.paths)) or 'no folder'}", "no_weights")
    if settings.url == "upstream" and not family.by_itself:
        raise WorkerFailed(f"{family.denoiser}: no weights; python3 run.py models fetch {family.denoiser} gets them", "no_weights")
    say(f"{family.denoiser}: weights are being fetched")
    try:
        return fetch(family, settings.url, settings.cache, lambda have, total: None, say=lambda line: say(f"{family.denoiser}: {line}"))
    except NotFetched as error:
        raise WorkerFailed(f"{family.denoiser}: no weights: {error}", "no_weights") from error


def _graph(family: Family, settings: DenoiserSettings, say: Say) -> Path:
    weights = _weights(family, settings, say)
    try:
        graph = settings.cache / export.graph_name(family.denoiser, weights, settings.post_filter)
        if export.is_whole(graph):
            return graph
        if graph.exists():
            graph.replace(graph.with_name(f"{graph.name}.broken"))
            say(f"{graph} is damaged; set aside as .broken and made again")
    except OSError as error:
        raise WorkerFailed(f"{family.denoiser}: {error}") from error
    say(f"{family.denoiser}: being prepared, once")
    flags = ["--post-filter"] * settings.post_filter
    command = module_command("workers.models.export", family.denoiser, "--weights", weights.absolute(), "--out", graph.absolute(), *flags)
    try:
        run_and_wait(command, module_environment(), killed=lambda pid: export.draft_of(graph, pid).unlink(missing_ok=True))
    except ChildFailed as failure:
        raise WorkerFailed(str(failure)) from failure
    return graph
