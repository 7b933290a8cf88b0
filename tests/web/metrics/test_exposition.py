"""The text of /metrics."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator

from sfu.histogram import Histogram
from tests.support.running import ROOT, Server
from tests.web.conftest import House
from web.http.metrics import Distribution, Sample
from web.metrics.exposition import SHARE, Exposition

# What /metrics told before it was made by prometheus-client. Dashboards of hosts use these names and labels.
EARLIER = {
    "hushcast_connections": {""},
    "hushcast_connections_dropped_total": {
        *('reason="crowd"', 'reason="descriptors"', 'reason="handshake"', 'reason="idle"', 'reason="media"', 'reason="newcomer"'),
        *('reason="stranger"', 'reason="tls"', 'reason="unknown"'),
    },
    "hushcast_conversions": {""},
    "hushcast_conversions_dropped_total": {'reason="refused"', 'reason="taken"'},
    "hushcast_listeners": {""},
    "hushcast_malformed_requests_total": {""},
    "hushcast_media_connections": {""},
    "hushcast_media_dropped_total": {
        f'reason="{reason}"'
        for reason in (
            "covered denoised_late dtls_too_many duplicate frames late listener_unsent malformed no_opus not_agreed replaced_source "
            "rtp_malformed rtp_unasked slow srtp_early srtp_forged srtp_replayed srtp_sources stale strange strangers stun_forged "
            "too_much unknown_address unknown_user unsent"
        ).split()
    },
    "hushcast_recording_streams": {""},
    "hushcast_recording_streams_dropped_total": {'reason="refused"', 'reason="taken"'},
    "hushcast_resends_refused_total": {""},
    "hushcast_resent_packets_total": {""},
    "hushcast_resources": {""},
    "hushcast_sockets": {""},
    "hushcast_sockets_dropped_total": {'reason="refused"', 'reason="taken"'},
    "hushcast_tasks": {""},
    "hushcast_up_seconds": {""},
    "process_cpu_seconds_total": {""},
}
LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


async def test_every_earlier_metric_is_there(server) -> None:
    """Each name with the same labels and kind, and whole numbers are written as such."""
    running: Server = await server()
    from aiohttp import ClientSession

    async with ClientSession() as client, client.get(f"{running.url}/metrics") as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: dict[str, set[str]] = {}
    for name, labels, value in LINE.findall(text):
        found.setdefault(name, set()).add(labels)
        assert not value.endswith(".0")
    assert {name: labels - found.get(name, set()) for name, labels in EARLIER.items()} == {name: set() for name in EARLIER}
    for name in EARLIER:
        assert f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}\n" in text


async def test_samples_and_distributions() -> None:
    """Families in the order of names, labels escaped, ranges that include the smaller ones."""
    histogram = Histogram((0.25, 1.0))
    histogram.observe_all((0.125, 0.5, 0.625, 7.0))

    def samples() -> Iterator[Sample | Distribution]:
        yield Sample("b_total", "counter", "Some.", 2, {"reason": 'a "quoted"\nword'})
        yield Distribution("c_seconds", "Times.", histogram, {"deed": "read"})
        yield Sample("a", "gauge", "One.", 0.25)
        yield Sample("b_total", "counter", "Some.", 12_345_678)

    assert (await Exposition([samples]).text()).decode() == (
        "# HELP a One.\n# TYPE a gauge\na 0.25\n"
        "# HELP b_total Some.\n# TYPE b_total counter\n"
        'b_total 1.2345678e+07\nb_total{reason="a \\"quoted\\"\\nword"} 2\n'
        "# HELP c_seconds Times.\n# TYPE c_seconds histogram\n"
        'c_seconds_bucket{deed="read",le="0.25"} 1\nc_seconds_bucket{deed="read",le="1.0"} 3\nc_seconds_bucket{deed="read",le="+Inf"} 4\n'
        'c_seconds_sum{deed="read"} 8.25\nc_seconds_count{deed="read"} 4\n'
    )


async def test_a_large_family_is_one_family() -> None:
    """A hundred histograms of one name: HELP and TYPE once, every line once, in the order of the labels; others run meanwhile."""
    histogram = Histogram((1.0,))
    samples = [Distribution("a_seconds", "Times.", histogram, {"n": f"{n:03}"}) for n in range(100)]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    lines = (await Exposition([lambda: samples]).text()).decode().splitlines()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert lines[:2] == ["# HELP a_seconds Times.", "# TYPE a_seconds histogram"] and not any(line.startswith("#") for line in lines[2:])
    assert [line for line in lines if "_count" in line] == [f'a_seconds_count{{n="{n:03}"}} 0' for n in range(100)]
    assert len(lines) == 2 + 400 and turns > 10


async def test_scrapes_take_a_twentieth_of_the_time_at_most() -> None:
    """A text that took long is given again for twenty times as long; then the next one is new."""
    now, made = 0.0, 0

    def slow() -> Iterator[Sample]:
        nonlocal now, made
        now, made = now + 0.5, made + 1
        yield Sample("made", "gauge", "Texts.", made)

    exposition = Exposition([slow], lambda: now)
    first = await exposition.text()
    now += 0.5 * SHARE - 0.1
    assert await exposition.text() == first and made == 1
    now += 0.2
    assert await exposition.text() != first and made == 2


async def test_many_at_once_cost_one_text(house: House) -> None:
    """Scrapes that come together are all answered."""
    guest = house.guest()
    answers = await asyncio.gather(*(guest.raw("GET", "/metrics") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}


async def test_prometheus_client_is_imported_by_the_first_scrape() -> None:
    """A server that nobody scrapes does not pay for it."""
    code = "import sys, web.serve; sys.exit('prometheus_client' in sys.modules)"
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], cwd=ROOT, timeout=60)
    assert done.returncode == 0


async def test_answers_are_counted_by_route(house: House) -> None:
    """By the route's pattern, method and class of status; an unknown path or method makes no name of its own; sockets are not counted."""
    alice = await house.user("alice")
    await alice.ask("GET", "/api/me")
    for path in ("/api/nothing/1", "/api/nothing/2"):
        await alice.ask("GET", path)
    await alice.session.request("PROPFIND", house.server.make_url("/api/pot"))
    await alice.ask("DELETE", "/api/friends/nobody")
    async with await alice.socket("/ws/presence"):
        pass
    text = await (await alice.raw("GET", "/metrics")).text()
    counts = {labels: float(value) for name, labels, value in LINE.findall(text) if name == "hushcast_request_seconds_count"}
    assert counts['method="GET",route="/api/me",status="2xx"'] == 1
    assert counts['method="GET",route="none",status="4xx"'] == 2
    assert counts['method="other",route="none",status="4xx"'] == 1
    assert counts['method="DELETE",route="/api/friends/{username}",status="4xx"'] == 1
    assert counts['method="POST",route="/api/register",status="2xx"'] == 1
    assert not any("/ws/" in labels for labels in counts)
    databases = {labels: float(value) for name, labels, value in LINE.findall(text) if name == "hushcast_database_seconds_count"}
    assert databases['deed="read"'] > 0 and databases['deed="write"'] > 0
