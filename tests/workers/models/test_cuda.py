"""Which device models run on: one rule for the server's setting and for the command's option."""

import pytest

from workers.errors import WorkerFailed
from workers.extra_python import CUDA, MissingExtra
from workers.models.cuda import COULD_HAVE, NoCuda, device_of

NO_CARD, NO_TORCH = NoCuda("torch finds no CUDA"), MissingExtra("--device cuda", CUDA)


@pytest.mark.parametrize(
    ("wanted", "why_not", "device", "said"),
    [
        ("cpu", None, "cpu", []),
        ("auto", None, "cuda", []),
        ("cuda", None, "cuda", []),
        ("auto", NO_CARD, "cpu", []),
        ("auto", NO_TORCH, "cpu", [COULD_HAVE]),
    ],
)
def test_device(wanted: str, why_not: WorkerFailed | None, device: str, said: list[str]) -> None:
    """ "auto" takes the GPU that can be used, and says what to install where only torch is missing."""
    told = list[str]()
    assert device_of(wanted, "--device cuda", why_not, told.append) == device and told == said


@pytest.mark.parametrize(
    ("why_not", "reason", "text"),
    [
        (NO_CARD, "no_cuda", "--device cuda is not available: torch finds no CUDA; use auto or cpu"),
        (NO_TORCH, "missing_extra", str(NO_TORCH)),
    ],
)
def test_cuda_that_is_not_there(why_not: WorkerFailed, reason: str, text: str) -> None:
    """ "cuda" is refused with a line that names the setting and says what is wrong."""
    with pytest.raises(WorkerFailed) as caught:
        device_of("cuda", "--device cuda", why_not, lambda line: None)
    assert (caught.value.reason, str(caught.value)) == (reason, text)
