"""What the media plane needs to know about denoisers; implemented by the part that knows models and plug-ins."""

from collections.abc import Mapping
from typing import Protocol

from sfu.errors import UnknownDenoiser


class Catalogue(Protocol):
    """The denoisers of this server."""

    def names(self) -> list[str]:
        """Every denoiser that may be requested."""

    def chosen(self, wanted: str | None) -> tuple[str, str | None]:
        """Return the denoiser that serves `wanted` (None: the default) now, and the reason if it is another one, else None."""

    def options(self, name: str) -> Mapping[str, object]:
        """The options of its constructor."""

    def delay_samples(self, name: str) -> int:
        """Its whole delay with 20 ms packets, encoder included, in samples at 48 kHz."""


def check_known(catalogue: Catalogue, denoiser: str | None) -> None:
    """Raises UnknownDenoiser. None, the default, is always known."""
    known = catalogue.names()
    if denoiser is not None and denoiser not in known:
        raise UnknownDenoiser(f"no denoiser {denoiser!r}", known=known)
