"""What the media plane asks of whoever knows models and plugins."""

from collections.abc import Mapping
from typing import Protocol

from sfu.errors import UnknownDenoiser


class Catalogue(Protocol):
    """Which denoisers there are; the app hands one in, so that this room need not know models or plugins."""

    def names(self) -> list[str]:
        """Every denoiser that may be asked for."""

    def chosen(self, wanted: str | None) -> tuple[str, str | None]:
        """The denoiser that serves for `wanted` (None: the default) now, and why it is another one, or None."""

    def options(self, name: str) -> Mapping[str, object]:
        """What its constructor needs."""

    def delay_samples(self, name: str) -> int:
        """Its whole delay in 20 ms packets, encoder included, in samples at 48 kHz."""


def check_known(catalogue: Catalogue, denoiser: str | None) -> None:
    """None is the default, which there always is. Raises UnknownDenoiser."""
    known = catalogue.names()
    if denoiser is not None and denoiser not in known:
        raise UnknownDenoiser(f"no denoiser {denoiser!r}", known=known)
