"""Where the model of a file runs: as `denoise.device` says it for the server, decided in this process."""

import os

from workers.cuda import why_not
from workers.errors import WorkerFailed

CHOICES = ("auto", "cpu", "cuda")


def device_of(wanted: str, has_model: bool) -> str:
    """ "cpu" or "cuda", where `wanted` is one of CHOICES. Ask before torch is imported. Raises WorkerFailed for CUDA that is not there.

    has_model: whether there is something that CUDA could run; where not, "auto" need not ask torch.
    "cpu" hides the cards from all of this process and from its children: it sets CUDA_VISIBLE_DEVICES.
    """
    if wanted == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # upstream's offline model takes a card unasked
    if wanted == "cpu" or (wanted == "auto" and not has_model):
        return "cpu"
    objection = why_not()
    if objection is None:
        return "cuda"
    if wanted == "cuda":
        raise WorkerFailed(f"CUDA is not to be had: {objection}; use --device auto or cpu", "no_cuda")
    return "cpu"
