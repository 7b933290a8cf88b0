"""An installed package that brings the denoisers of tests/workers/{speech,strange}.py, by the door that strangers use."""

from pathlib import Path

KINDS = ("Broken", "Raising", "Deadly", "Slow", "Sluggish", "Fussy", "Threaded", "Fleeting")
STRANGE = ("Native", "Runtime", "Ponderous", "Costly")


def install(folder: Path) -> Path:
    """Put it into `folder`, which has to be on the path of whoever shall find it."""
    package = folder / "strangers-1.0.dist-info"
    package.mkdir(exist_ok=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers\nVersion: 1.0\n")
    places = {**dict.fromkeys(KINDS, "speech"), **dict.fromkeys(STRANGE, "strange")}
    kinds = "\n".join(f"{kind.lower()} = tests.workers.{place}:{kind}" for kind, place in places.items())
    (package / "entry_points.txt").write_text(f"[hushcast.denoisers]\n{kinds}\npassthrough = nowhere:Nothing\nlost = nowhere:Nothing\n")
    return folder
