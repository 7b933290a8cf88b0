"""A page with one button whose script and style have the sizes of this build's bundle and do nothing else: how fast a page can be.

`python -m tests.bench.empty_page --config FILE` serves it as `web.serve` serves the bundle, by the same handlers.
"""

import gzip
import re
import sys
import tempfile
from pathlib import Path

from web import app, serve
from web.pages import BUNDLE

BUTTON = "Press"
SCRIPT = f"""const button = document.createElement("button");
button.textContent = "{BUTTON}";
button.addEventListener("click", () => button.setAttribute("aria-pressed", "true"));
document.body.append(button);
"""
FILLED = {"js": SCRIPT.encode(), "css": b""}
_BLOCK = 1 << 16  # bytes of a stored block of brotli at most


def make(folder: Path, like: Path) -> None:
    """Write the client's folder of the empty page, beside the bundle that lies in the client's folder `like`."""
    (folder / "dist").mkdir(parents=True)
    (folder / "favicon.svg").write_bytes((like / "favicon.svg").read_bytes())
    (folder / "index.html").write_text(re.sub(r'<link rel="preload"[^>]+>\n', "", (like / "index.html").read_text()))
    for name in BUNDLE:
        suffix = name.rpartition(".")[2]
        for end, stored in (("", bytes), (".gz", _gzip), (".br", _brotli)):
            size = (like / "dist" / f"{name}{end}").stat().st_size
            frame = len(stored(bytes(size))) - size
            (folder / "dist" / f"{name}{end}").write_bytes(stored(_filled(FILLED[suffix], size - frame)))


def _filled(content: bytes, size: int) -> bytes:
    """The content and a comment, `size` bytes together."""
    return content + b"/*" + b" " * (size - len(content) - 4) + b"*/"


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=0, mtime=0)


def _brotli(content: bytes) -> bytes:
    """Stored blocks only (RFC 7932, 9.2), as Python has no compressor: a window of 64 KiB, then blocks of 3 bytes of header each."""
    made = bytearray()
    for start in range(0, len(content), _BLOCK):
        block = content[start : start + _BLOCK]
        # ISLAST 0, MNIBBLES 0 for four, MLEN - 1 in 16 bits, ISUNCOMPRESSED 1; the first one behind WBITS 0
        header = (len(block) - 1) << 3 | 1 << 19
        made += (header << 1 if not start else header).to_bytes(3, "little") + block
    return bytes(made) + b"\x03"  # ISLAST and ISLASTEMPTY


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="hushcast-bench-") as folder:
        made = Path(folder) / "client"
        make(made, app.CLIENT_FOLDER)
        app.CLIENT_FOLDER = made
        return serve.main()


if __name__ == "__main__":
    sys.exit(main())
