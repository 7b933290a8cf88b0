"""The broadcaster's commands: what is refused before anybody is asked whether he is live."""

import pytest

from tests.web.conftest import House

BAD = (
    b'{"strength_db": 100.5}',
    b'{"strength_db": -1}',
    b'{"strength_db": true}',
    b'{"strength_db": "1"}',
    b'{"strength_db": 1e999}',
    b'{"strength_db": 1' + b"0" * 400 + b"}",
    b'{"enabled": 1}',
    b'{"denoiser": []}',
)


@pytest.mark.parametrize("body", BAD)
async def test_a_bad_change_is_refused(house: House, body: bytes) -> None:
    """A strength outside 0 to 100, however far, and fields of the wrong kind are 422."""
    alice = await house.user("alice")
    assert (await alice.raw("POST", "/api/stream/denoise", data=body)).status == 422
