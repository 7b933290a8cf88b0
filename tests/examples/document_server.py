"""A server that is the interface's documents and nothing else: what they have it answers, with values made of their schemas."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSCloseCode, hdrs, web
from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from jsonschema import Draft202012Validator

from tests.examples.document_types import as_schemas, place_of
from tests.support.running import ROOT
from web.http.openapi import PARAMETER

TEXT, MOMENT = "text", "2026-11-30T12:00:00Z"  # each text, each time
JSON, SDP = "application/json", "application/sdp"


class DocumentServer:
    """Notes in `faults` what it was asked that the documents do not have, and in `heard` the types of the messages that it was sent.

    A socket gets one message of each type, and the same again for each that it sends; a bad one closes it. Sound alone is not of the
    documents: an offer is answered by a peer of aiortc, which sends silence where sound is asked for.
    """

    def __init__(self, routes: Mapping[str, Any], sockets: Mapping[str, Any]) -> None:
        """routes: an OpenAPI document; sockets: an AsyncAPI document."""
        self.url = ""
        self.faults: list[str] = []
        self.heard: list[str] = []
        self._routes, self._sockets = routes, as_schemas(sockets)
        self._channels: Mapping[str, Any] = self._sockets["components"]["schemas"]["Sockets"]["properties"]
        self._open: list[web.WebSocketResponse] = []
        self._peers: list[RTCPeerConnection] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["DocumentServer"]:
        """At a free port of 127.0.0.1, with the folder examples/ as deploy/nginx.conf may have it."""
        app = web.Application()
        app.router.add_static("/examples/", ROOT / "examples")
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await self.hang_up()
            for peer in self._peers:
                await peer.close()
            await runner.cleanup()

    async def hang_up(self) -> None:
        """Close each socket, as a server does that ends."""
        while self._open:
            await self._open.pop().close(code=WSCloseCode.GOING_AWAY)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get(hdrs.UPGRADE) == "websocket":
            return await self._socket(request)
        path = _template(self._routes["paths"], request.path)
        operation = self._routes["paths"].get(path, {}).get(request.method.lower())
        asked, body = f"{request.method} {path or request.path}", await request.read()
        if operation is None:
            return self._refuse(f"{asked}: there is no such route")
        known = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
        if unknown := set(request.query) - known:
            return self._refuse(f"{asked}: there are no parameters {unknown}")
        takes = operation.get("requestBody", {}).get("content", {})
        if (body or takes) and request.content_type not in takes:
            return self._refuse(f"{asked}: it takes no {request.content_type}")
        if JSON in takes and (wrong := faults_of(self._routes, takes[JSON]["schema"], await request.json())):
            return self._refuse(f"{asked}: {wrong}")
        return await self._answered(path, operation, body.decode())

    async def _answered(self, path: str, operation: Mapping[str, Any], body: str) -> web.Response:
        """As the document has the first answer that is a success."""
        status = min(status for status in operation["responses"] if status.startswith("2"))
        response = operation["responses"][status]
        below = next((longer for longer in self._routes["paths"] if re.fullmatch(re.escape(path) + r"/\{\w+\}", longer)), path)
        headers = {name: PARAMETER.sub(TEXT, below) if name == hdrs.LOCATION else TEXT for name in response.get("headers", ())}
        if JSON in response.get("content", ()):
            return web.json_response(made_of(self._routes, response["content"][JSON]["schema"]), status=int(status), headers=headers)
        if SDP in response.get("content", ()):
            return web.Response(text=await self._sdp(body), status=int(status), headers={**headers, hdrs.CONTENT_TYPE: SDP})
        return web.Response(status=int(status), headers=headers)

    async def _sdp(self, offer: str) -> str:
        peer = RTCPeerConnection(RTCConfiguration([]))
        self._peers.append(peer)
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        if "a=recvonly" in offer:
            peer.addTrack(AudioStreamTrack())
        await peer.setLocalDescription(await peer.createAnswer())
        return str(peer.localDescription.sdp)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        path = _template(self._channels, request.path)
        if not path:
            return self._refuse(f"{request.path}: there is no such socket")
        messages = self._channels[path]["properties"]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self._tell(socket, messages["gives"])
        self._open.append(socket)
        async for message in socket:
            if wrong := faults_of(self._sockets, messages["takes"], message.json()):
                self.faults.append(f"{path}: {wrong}")
                break
            self.heard.append(message.json()["type"])
            await self._tell(socket, messages["gives"])
        return socket

    async def _tell(self, socket: web.WebSocketResponse, gives: Mapping[str, Any]) -> None:
        for payload in gives["oneOf"]:
            await socket.send_json(made_of(self._sockets, payload))

    def _refuse(self, fault: str) -> web.Response:
        self.faults.append(fault)
        return web.json_response({"detail": fault}, status=404)

    @property
    def has_open_sockets(self) -> bool:
        """Whether a socket has been told all that it is told at first."""
        return bool(self._open)


def _template(templates: Mapping[str, Any], path: str) -> str:
    """The path of a document that a request's path is one of; "" where there is none."""
    return next((each for each in templates if re.fullmatch(PARAMETER.sub("[^/]+", each), path)), "")


def faults_of(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any) -> list[str]:
    """What is wrong with a JSON value by a schema of the document."""
    return [error.message for error in Draft202012Validator({**schema, "components": document["components"]}).iter_errors(value)]


def made_of(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """A JSON value that a schema of the document allows, the same each time, with every field that the document names."""
    match schema:
        case {"$ref": reference}:
            return made_of(document, place_of(document, reference))
        case {"const": value} | {"enum": [value, *_]}:
            return value
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]}:
            return made_of(document, first)
        case {"type": "object"}:
            return {name: made_of(document, inner) for name, inner in schema.get("properties", {}).items()}
        case {"type": "array", "items": inner}:
            return [made_of(document, inner)] * max(1, schema.get("minItems", 1))
        case {"type": "boolean"}:
            return True
        case {"type": "integer" | "number"}:
            return schema.get("minimum", 1)
        case {"type": "string"}:
            return MOMENT if schema.get("format") == "date-time" else TEXT
    return None
