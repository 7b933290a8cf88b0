"""The operator's mistakes."""

from sfu.errors import HushcastError


class ConfigError(HushcastError):
    """A bad key or value, a port in use, a missing library. Raised only at the start; the program prints one line and exits with 2."""
