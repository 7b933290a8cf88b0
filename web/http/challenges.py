"""What an authority of certificates (ACME, RFC 8555) is to find here while it looks whether a name is ours."""

import socket

from web.http.first_byte import peeked_hello
from web.http.tls import Tls

PATH = "/.well-known/acme-challenge/"
HELLO_S = 3.0  # for the whole first message of TLS, while the authority may ask
PROTOCOL = b"acme-tls/1"  # of tls-alpn-01 (RFC 8737)


class Challenges:
    """Answers to http-01 by path, contexts for tls-alpn-01 by name. A thread writes, the loop reads; at most a few for each name."""

    def __init__(self) -> None:
        self._answers: dict[str, str] = {}
        self._contexts: dict[str, Tls] = {}

    def answer_at(self, path: str) -> str | None:
        """What http-01 is to find at the path of a request; None where there is nothing."""
        return self._answers.get(path)

    async def asked_for(self, connection: socket.socket) -> Tls | None:
        """The context for tls-alpn-01 where a TLS client, whose first byte has come, asks for that; None where it does not.

        Looks at the connection only while there is something to be found. Raises OSError where it is lost. Can be cancelled.
        """
        hello = await peeked_hello(connection, HELLO_S) if self._contexts else None
        return self._contexts.get(hello.name) if hello is not None and PROTOCOL in hello.protocols else None

    def show(self, path: str, answer: str) -> None:
        """Answer http-01 at the path until `clear`."""
        self._answers[path] = answer

    def present(self, name: str, context: Tls) -> None:
        """Answer tls-alpn-01 for the name, in lower case, until `clear`."""
        self._contexts[name] = context

    def clear(self) -> None:
        """Answer nothing any more."""
        self._answers.clear()
        self._contexts.clear()
