"""A TCP proxy that a test may cut: then nothing comes through and nobody is told, as where a network breaks apart."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.support.running import free_port

PIECE = 65_536


class Cable:
    """Leads from a free port of 127.0.0.1 to another one. Owns its connections, which end with it."""

    def __init__(self, to: int) -> None:
        """to: the port at which it ends."""
        self.port = free_port()
        self._to = to
        self._whole = asyncio.Event()
        self._whole.set()
        self._calls: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._called, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        await asyncio.sleep(0.01)  # those that were just taken begin
        while self._calls:
            self.hang_up()
            await asyncio.gather(*self._calls, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Hold everything back. Connections are still taken, as by a host whose answers are lost on the way."""
        self._whole.clear()

    def mend(self) -> None:
        """Let it through again, first what was held back: TCP sends it again."""
        self._whole.set()

    def lead_to(self, port: int) -> None:
        """End somewhere else, as an address that moves at a failover: connections of before break off."""
        self._to = port
        self.hang_up()

    def hang_up(self) -> None:
        """Break all connections off."""
        for call in self._calls:
            call.cancel()

    async def _called(self, reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        try:
            await self._carry(reading, writing)
        except asyncio.CancelledError:
            pass  # by `hang_up`; asyncio's server would log it
        finally:
            self._calls.discard(call)
            writing.transport.abort()

    async def _carry(self, reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            return
        ways = [asyncio.create_task(self._pass_on(*way)) for way in ((reading, back), (there, writing))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            back.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_on(self, reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reading.read(PIECE):
                await self._whole.wait()
                writing.write(data)
                await writing.drain()
