"""Where the benches' sound and weights are: in the folders that are named, else made or fetched as the product does it."""

import sys
from pathlib import Path

from sfu.config.load import load
from sfu.config.schema import Config
from tests.bench import synthetic
from tests.bench.asked import Refused
from tests.support.running import ROOT
from workers.errors import WorkerFailed
from workers.files.selection import DenoiserSettings, Say, options
from workers.weights.weights import FAMILIES, whole

CACHE = ROOT / "var" / "cache"
FIRST = "deepfilternet3"


# sound


def sound(folder: Path | None) -> Path:
    """A folder with a noisy voice and the same one clean: `folder`, or a made-up voice. Raises Refused where they are not there."""
    found = synthetic.folder(CACHE) if folder is None else folder
    noisy(found), clean(found)
    return found


def noisy(folder: Path) -> Path:
    """Raises Refused."""
    return _file(folder, "noisy")


def clean(folder: Path) -> Path:
    """Raises Refused."""
    return _file(folder, "clean")


def _file(folder: Path, kind: str) -> Path:
    found = sorted(folder.glob(f"{kind}*.wav"))
    if not found:
        raise Refused(f"there is no {kind}*.wav in {folder}; --audio FOLDER names another folder")
    return found[0]


def sound_told(folder: Path) -> str:
    """For people: which voice it was."""
    return "a synthetic voice" if folder.is_relative_to(CACHE) else f"that of {folder.name}"


# weights


def settings(models: Path | None) -> DenoiserSettings:
    """Where weights are looked for: in `models` alone, or where config.toml says; fetched ones and graphs are in the checkout's cache."""
    if models is not None:
        return DenoiserSettings(paths=(models,), cache=CACHE)
    config = _config()
    return DenoiserSettings(paths=config.models.path, url=config.models.url, download=config.models.download, cache=CACHE)


def weights(models: Path | None, say: Say | None = None) -> Path:
    """A folder with DeepFilterNet3's weights, whose graph is ready: `models`, or one where a server would find or put them.

    Raises Refused where there are none: a server would wait for them in vain.
    """
    say = say or _say
    if models is not None:
        if not models.is_dir():
            raise Refused(f"there is no folder {models}; --models FOLDER names another one with the weights")
        return models
    wanted = settings(None)
    try:
        options(FIRST, wanted, say)
    except WorkerFailed as failure:
        raise Refused(f"{failure}; --models FOLDER names a folder with the weights") from failure
    place = whole(FAMILIES[FIRST], wanted.paths, wanted.cache, say)
    if place is None:
        raise Refused(f"{FIRST}: its weights are gone again; --models FOLDER names a folder with them")
    return place.parent


def ready(names: list[str], models: Path, say: Say | None = None) -> dict[str, dict[str, object]]:
    """What each denoiser is to be given. One that has no weights here is left out, which is said; only the first one's are fetched."""
    found = {}
    for name in names:
        try:
            found[name] = options(name, settings(models), say or _say)
        except WorkerFailed as failure:
            cure = f"; `run.py models fetch {name}` fetches them" if failure.reason == "no_weights" else ""
            (say or _say)(f"{name} is left out: {failure}{cure}")
    return found


def _config() -> Config:
    return load(ROOT / "config.toml", {})


def _say(text: str) -> None:
    print(text, file=sys.stderr)
