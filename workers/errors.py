"""Errors of the workers' side; the server maps them to its own."""


class WorkerFailed(Exception):
    """A denoiser could not be loaded, or its process did not start or has ended. `reason` is a stable code, the text is for people."""

    def __init__(self, text: str, reason: str = "worker_failed") -> None:
        super().__init__(text)
        self.reason = reason


class OptionError(WorkerFailed):
    """A denoiser got options that it cannot use, or lacks its model or library."""

    def __init__(self, text: str) -> None:
        super().__init__(text, reason="bad_options")


class UnregisteredDenoiser(WorkerFailed):
    """No denoiser is registered under that name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"unknown denoiser {name!r}; known: {', '.join(known)}", reason="unknown_denoiser")
        self.known = known


class OpusMissing(WorkerFailed):
    """libopus was found neither beside PyAV nor on the system, or it does not work."""

    def __init__(self, text: str) -> None:
        super().__init__(text, reason="no_opus")
