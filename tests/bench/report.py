"""What a bench hands over: figures for programs, a table for people, charts for a page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.bench import processor

Row = dict[str, Any]


class Column(NamedTuple):
    """A head, and the text of a row's cell."""

    head: str
    cell: Callable[[Row], str]


class Series(NamedTuple):
    """A named line of points, or one bar a point where x is a word."""

    name: str
    points: Sequence[tuple[float | str, float]]


class Chart(NamedTuple):
    """title says what is shown and which way is good; x, y: names of the axes with their units."""

    title: str
    x: str
    y: str
    series: Sequence[Series]
    limit: tuple[str, float] | None = None  # a line to stay under: what it is, where


class Drawing(NamedTuple):
    """A picture of its own kind: what it shows, and the SVG."""

    title: str
    svg: str


@dataclass
class Report:
    """One bench's outcome. rows: what --json prints. notes: how to read the figures. warnings: why not to trust them.

    processor: which one it was, and what it can; in the JSON it stands in every row.
    """

    title: str
    rows: list[Row]
    columns: Sequence[Column]
    charts: Sequence[Chart | Drawing] = ()
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    processor: str = field(default_factory=processor.told)

    def as_json(self) -> list[Row]:
        return [{**row, "processor": self.processor} for row in self.rows]

    def text(self) -> str:
        cells = [[column.head for column in self.columns]] + [[column.cell(row) for column in self.columns] for row in self.rows]
        widths = [max(len(line[at]) for line in cells) for at in range(len(self.columns))]
        lines = ["  ".join(_aligned(line, widths)).rstrip() for line in cells]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join([self.title, self.processor, "", *lines, "", *self.notes, *self.warnings]).rstrip() + "\n"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cell.rjust(width) if at else cell.ljust(width) for at, (cell, width) in enumerate(zip(line, widths, strict=True))]


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A figure for the table; a dash where there is none."""
    return "-" if value is None or value != value else f"{value:.{digits}f}{unit}"


def times(value: float | None, base: float | None) -> str:
    """A ratio to the row that all are compared with."""
    return f"{value / base:.2f}x" if value is not None and base else "-"


def rounded(value: float, digits: int) -> float | None:
    """For JSON, which has no nan."""
    return None if value != value else round(value, digits)
