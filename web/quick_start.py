"""Imported by the server's own process before anything else: what is then imported takes a fifth less time.

Two things are left out. Collections, which find next to nothing among modules and look at all of them again and again: `settle`
of `web.serve` turns them on again. And the system's certificates, some 140, which aiohttp reads at import for its client; the
server asks nobody anything.
"""

import gc
import os

_CERTIFICATES = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}  # OpenSSL's names for where they are


def _import_aiohttp() -> None:
    kept = {name: os.environ.get(name) for name in _CERTIFICATES}
    os.environ.update(_CERTIFICATES)
    try:
        import aiohttp  # noqa: F401  whoever needs it gets it from sys.modules
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


gc.disable()
_import_aiohttp()
