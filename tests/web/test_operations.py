"""Health, readiness, metrics, and the OpenAPI document."""

from tests.web.conftest import House
from web.keys import SWITCHBOARD
from web.operations import drain
from web.routes import ROUTES


async def test_alive_and_ready(house: House) -> None:
    """Both are 200 while the server runs; while it drains /readyz is 503 and /healthz 200."""
    guest = house.guest()
    assert (await guest.raw("GET", "/healthz")).status == 200
    assert (await guest.raw("GET", "/readyz")).status == 200
    await drain(house.app)
    response = await guest.raw("GET", "/readyz")
    assert response.status == 503 and (await response.json(content_type=None))["code"] == "draining"
    assert (await guest.raw("GET", "/healthz")).status == 200


async def test_metrics_of_the_media_plane(live_house: House) -> None:
    """/metrics has what listeners asked for again, over all broadcasts; it counts where a fan-out counts."""
    resends = live_house.app[SWITCHBOARD]._services.resends
    resends.resent, resends.refused = 5, 2
    text = await (await live_house.guest().raw("GET", "/metrics")).text()
    assert "\nhushcast_resent_packets_total 5\n" in text and "\nhushcast_resends_refused_total 2\n" in text
    assert "\nhushcast_resources 0\n" in text


async def test_metrics(house: House) -> None:
    """/metrics is open to this machine; through a proxy it needs a token."""
    guest = house.guest()
    response = await guest.raw("GET", "/metrics")
    text = await response.text()
    assert response.status == 200 and response.content_type == "text/plain"
    assert "# TYPE hushcast_sockets gauge\nhushcast_sockets 0\n" in text
    member = await house.user("alice")
    for asker in (guest, member):  # being a member here is not enough
        for name in ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via"):
            assert (await asker.raw("GET", "/metrics", headers={name: "127.0.0.1"})).status == 401, name


async def test_metrics_are_not_for_a_page_that_calls_this_machine_its_own(house: House) -> None:
    """A name that somebody else has pointed to loopback opens nothing; loopback's own names do."""
    guest, port = house.guest(), house.server.port
    for name in ("evil.example", f"evil.example:{port}", f"localhost.evil.example:{port}", "192.0.2.1"):
        assert (await guest.raw("GET", "/metrics", headers={"Host": name})).status == 401, name
    for name in ("localhost", f"localhost:{port}", f"[::1]:{port}", f"127.0.0.1:{port}"):
        assert (await guest.raw("GET", "/metrics", headers={"Host": name})).status == 200, name


async def test_openapi_lists_every_route(house: House) -> None:
    """Each row of the table is in the document, with a sentence."""
    document = await (await house.guest().raw("GET", "/api/openapi.json")).json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) == len({(route.method, route.path) for route in ROUTES})
    assert all(operation["summary"] for operation in operations)
    assert "/api/friend-request/{id}/respond" in document["paths"]
