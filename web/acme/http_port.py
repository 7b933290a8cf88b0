"""A port of plain HTTP for http-01: it answers what an authority of certificates looks for, and leads everybody else to https."""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from sfu.config.schema import HttpConfig
from web.connections import Connections
from web.http.challenges import PATH, Challenges
from web.http.problems import problem
from web.http.sites import ascii_name, origin_of
from web.http.tls import certified_names

MOST = 256  # connections; of strangers, as all are here
NO_TLS = "(TLS at http.acme_port, which is for plain HTTP: https is at http.port)"
END_S = 0.5  # for what is being answered when the server ends


class HttpPort:
    """Owns the listening sockets and their connections."""

    def __init__(self, http: HttpConfig, listening: list[socket.socket], shown: Challenges, is_proxy: Callable[[str], bool]) -> None:
        """listening: see `opened`."""
        self._names, self._shown = certified_names(http), shown
        self._port = urlsplit(http.public_url).port or 443 if http.public_url else http.port
        self._server = web.Server(self._answer, access_log=None)
        self._connections = Connections(self._server, listening, None, is_proxy)
        self._connections.most = self._connections.most_strangers = MOST
        self._connections.no_tls = NO_TLS

    async def __aenter__(self) -> Self:
        await self._connections.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._connections.__aexit__(kind, error, trace)
        await self._server.shutdown(END_S)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if (sought := self._shown.answer_at(request.path)) is not None:
            return web.Response(text=sought)
        if request.path.startswith(PATH):
            return problem(404, "not_found", "Nothing is looked for here now.")
        path, port = request.rel_url.raw_path_qs, "" if self._port == 443 else f":{self._port}"
        address = f"https://{self._name_for(request)}{port}{path if path.startswith('/') else '/'}"
        headers = {hdrs.LOCATION: address, hdrs.CACHE_CONTROL: "no-store"}  # not kept: http.tls may be turned off
        return web.Response(status=308, text="This is served by https.\n", headers=headers)

    def _name_for(self, request: web.BaseRequest) -> str:
        """The name that was asked for where it is ours, else the first of ours."""
        said = request.headers.getall(hdrs.HOST, [])
        origin = origin_of(f"http://{said[0]}") if len(said) == 1 else None
        name = ascii_name(urlsplit(origin).hostname or "") if origin is not None else ""
        return name if name in self._names else self._names[0]


def opened(http: HttpConfig) -> list[socket.socket]:
    """Listening sockets at `http.acme_port` on the address of the web server. Raises OSError; then none stays open."""
    found = socket.getaddrinfo(http.host, http.acme_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with ExitStack() as opening:
        sockets = []
        for family, host in dict.fromkeys((each[0], str(each[4][0])) for each in found):
            everywhere = host == "::"
            listening = socket.create_server((host, http.acme_port), family=family, dualstack_ipv6=everywhere)
            sockets.append(opening.enter_context(listening))
        opening.pop_all()
    return sockets
