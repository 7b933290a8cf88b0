"""A child process of a bench that answers questions, JSON lines both ways. The end of its stdin ends it."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.running import ROOT

_LINE_BYTES = 1 << 26
_START_S, _END_S = 120.0, 5.0
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ORT_DISABLE_TELEMETRY"), "1")


class Child:
    """`python -m MODULE ARGUMENTS`, or a file instead of a module, on the cores that were given before it was started.

    said: its first line. python: the interpreter and its environment, folder: the checkout, where they are not these.
    """

    def __init__(
        self,
        module: str | Path,
        *arguments: str,
        fds: Sequence[int] = (),
        python: tuple[Path, Mapping[str, str]] | None = None,
        folder: Path = ROOT,
    ) -> None:
        program, environment = python or (sys.executable, os.environ)
        self._command = [str(program), *(["-P", str(module)] if isinstance(module, Path) else ["-m", module]), *arguments]
        self._environment = {**environment, **_ONE_THREAD}
        self._fds, self._folder = fds, folder
        self.said: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, cwd=self._folder, env=self._environment, pass_fds=self._fds, limit=_LINE_BYTES
        )
        try:
            self.said = await asyncio.wait_for(self._answer(), _START_S)
        except BaseException:
            await self.close()
            raise
        return self

    async def ask(self, **question: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        return await self._answer()

    async def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._command[1:4])} ended")
        return json.loads(line)

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
