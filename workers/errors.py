"""What can go wrong on the workers' side; the server maps these to its own taxonomy."""


class WorkerFailed(Exception):
    """A denoiser could not be loaded, or its process did not start or ended. `reason` is a stable word, the text is for people."""

    def __init__(self, text: str, reason: str = "worker_failed") -> None:
        super().__init__(text)
        self.reason = reason


class OptionError(WorkerFailed):
    """A denoiser was given options that it cannot work with, or lacks its model or library."""

    def __init__(self, text: str) -> None:
        super().__init__(text, reason="bad_options")


class UnregisteredDenoiser(WorkerFailed):
    """No denoiser is registered under that name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"unknown denoiser {name!r}; known: {', '.join(known)}", reason="unknown_denoiser")
        self.known = known


class OpusMissing(WorkerFailed):
    """libopus was found neither beside PyAV nor on the system, or it refused to work."""

    def __init__(self, text: str) -> None:
        super().__init__(text, reason="no_opus")
