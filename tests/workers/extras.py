"""`.venv-torch` without what the part "cuda" does not bring, made of the one that is here."""

from pathlib import Path

from tests.workers.offline import torch_python

# Of torch, `deepfilternet` without its dependencies, onnx, and what those import of others: no libdf, PyAV or ONNX Runtime.
BROUGHT = (
    *("torch", "torchgen", "functorch", "numpy", "numpy.libs", "df", "loguru", "typing_extensions.py"),
    *("onnx", "google", "ml_dtypes"),
    *("sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec", "filelock"),
)


def cuda_environment(folder: Path) -> Path:
    """An environment of that kind in `folder`; links, so it takes no time and no room."""
    python = torch_python()
    whole = python.parents[1]
    settings = dict(line.split(" = ", 1) for line in (whole / "pyvenv.cfg").read_text().splitlines() if " = " in line)
    [packages] = whole.glob("lib/python3.*/site-packages")
    place = folder / packages.relative_to(whole)
    place.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(Path(settings["home"]) / python.resolve().name)
    (folder / "pyvenv.cfg").write_text(f"home = {settings['home']}\ninclude-system-site-packages = false\n")
    for name in BROUGHT:
        if (packages / name).exists():
            (place / name).symlink_to(packages / name)
    (folder / "hushcast.json").write_text('{"cuda": "of the tests"}')
    return folder
