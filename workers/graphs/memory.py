"""What a voice carries, inside the graph: one row of floats, taken apart at the beginning and joined at the end."""

from collections.abc import Sequence

from workers.graphs.state_layout import Part
from workers.graphs.writer import Writer


class Memory:
    """The parts of the input `state` by name, and what each becomes. A part's first dimension in the graph is the voices'."""

    def __init__(self, writer: Writer, state: str, parts: Sequence[Part]) -> None:
        import numpy as np

        self._writer = writer
        self.parts = [part for part in parts if part.size]
        sizes = np.array([part.size for part in self.parts], np.int64)
        flat = writer.several("Split", len(self.parts), state, sizes, axis=1)
        self._flat = dict(zip((part.name for part in self.parts), flat, strict=True))
        self._after: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._flat

    def was(self, name: str, *shape: int) -> str:
        """The part as it was before this call, in the shape given, or its own behind the voices."""
        own = next(part.shape for part in self.parts if part.name == name)
        return self._writer.reshape(self._flat[name], *(shape or (-1, *own)))

    def becomes(self, name: str, value: str) -> None:
        """What the part is after this call."""
        part = next(part for part in self.parts if part.name == name)
        self._after[name] = self._writer.reshape(value, -1, part.size)

    def joined(self) -> str:
        """The state after this call. All parts have been given."""
        return self._writer.join(1, *(self._after[part.name] for part in self.parts))
