"""What an answer offers a client, by what the server has and how the client came."""

from sfu.net.media_port import MediaSockets
from sfu.peer.dtls import fingerprint_of, new_certificate
from sfu.peer.endpoint import AnswerOptions, Endpoint
from sfu.wire.candidates import Used

CERTIFICATE = new_certificate()


async def test_candidates_are_those_of_the_moment() -> None:
    """Announced addresses are asked for each time, so that a restart offers what is true then; the web server's port comes apart."""
    announced = ["192.0.2.1"]
    async with MediaSockets(["127.0.0.1"], 0) as sockets:
        sockets.web = [("127.0.0.1", 443)]
        endpoint, options = Endpoint(sockets, CERTIFICATE, lambda: announced), AnswerOptions(Used(("127.0.0.1",), 8443))
        ours, by_web = endpoint.candidates(options)
        assert ours == [("127.0.0.1", sockets.port), ("192.0.2.1", sockets.port)]
        assert by_web == [("127.0.0.1", 443), ("192.0.2.1", 8443)]
        announced[:] = ["192.0.2.2", "no address", "2001:db8::1"]
        assert endpoint.candidates(options)[0] == [("127.0.0.1", sockets.port), ("192.0.2.2", sockets.port)]


async def test_a_description_fits_the_kind_of_peer() -> None:
    """A listener is told an SSRC, a broadcaster a packet time; only what may be offered is."""
    async with MediaSockets(["127.0.0.1"], 0) as sockets:
        sockets.web = [("127.0.0.1", 443)]
        endpoint = Endpoint(sockets, CERTIFICATE)
        options = AnswerOptions(Used(("127.0.0.1",), 443), over=("tcp",), ssrc=7, packet_ms=10)
        listener, broadcaster = endpoint.description("subscribe", options), endpoint.description("publish", options)
        assert (listener.ssrc, listener.packet_ms) == (7, None)
        assert (broadcaster.ssrc, broadcaster.packet_ms) == (None, 10)
        assert listener.over == ["tcp"] and listener.by_web == [] and listener.session != broadcaster.session
        assert tuple(listener.fingerprint) == fingerprint_of(CERTIFICATE)
