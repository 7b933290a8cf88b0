"""Ten kills of the server in a row, and one press of Start Listening.

`python3 run.py test -m slow tests/browser/test_listening_kills.py -s` prints what each took.
"""

import asyncio
from statistics import median

import pytest

from tests.browser.listening import anew, heard, listening, silence, two

KILLS = 10
WITHIN_S = 3.0


@pytest.mark.slow
@pytest.mark.real_time
async def test_a_listener_is_back_within_three_seconds_of_the_server(server, visit, stretch: float) -> None:
    """After each of ten kills -9 both pages return by themselves; the median from the restarted server to sound is at most 3 s."""
    house, _, ben = await two(server, visit)
    await listening(ben)
    took: list[float] = []
    for _ in range(KILLS):
        await asyncio.to_thread(house.kill)
        await house.start()
        await anew(ben)
        await heard(ben)
        took.append(await silence(ben))
        await asyncio.sleep(2)  # the next one hits a broadcast that runs, as in a rolling restart
    print("s from the server's return to sound:", " ".join(f"{each:.2f}" for each in took), f"median {median(took):.2f}")
    assert median(took) <= WITHIN_S * stretch
