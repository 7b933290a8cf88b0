"""One HTML file of a bench's reports: tables and charts, nothing fetched from anywhere, readable in the light and in the dark."""

from collections.abc import Callable, Sequence
from html import escape
from math import floor, log10

from tests.bench.report import Chart, Drawing, Report, Series

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 16, 48
YOf = Callable[[float], float]
COLOURS = ("#2f7de1", "#e1662f", "#2fa866", "#a04fd0", "#b0902a")

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Hushcast benchmarks</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0 }}
th, td {{ padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #8884 }}
th:first-child, td:first-child {{ text-align: left }}
figure {{ margin: 2rem 0 }} figcaption {{ font-weight: 600 }}
svg {{ width: 100%; height: auto }} svg text {{ fill: currentColor; font-size: 13px }}
.grid {{ stroke: #8886 }} .limit {{ stroke: #d33; stroke-dasharray: 6 4 }}
.scroll {{ overflow-x: auto }}
</style>
<h1>Hushcast benchmarks</h1>
{body}
</html>
"""


def page(reports: Sequence[Report]) -> str:
    return _PAGE.format(body="\n".join(_section(report) for report in reports))


def _section(report: Report) -> str:
    heads = "".join(f"<th>{escape(column.head)}</th>" for column in report.columns)
    rows = "".join("<tr>" + "".join(f"<td>{escape(column.cell(row))}</td>" for column in report.columns) + "</tr>" for row in report.rows)
    notes = "".join(f"<p>{escape(note)}</p>" for note in [*report.notes, *report.warnings])
    charts = "".join(f"<figure><figcaption>{escape(chart.title)}</figcaption>{svg(chart)}</figure>" for chart in report.charts)
    head = f"<h2>{escape(report.title)}</h2><p>{escape(report.processor)}</p>"
    return f'{head}{charts}<div class="scroll"><table><tr>{heads}</tr>{rows}</table></div>{notes}'


def svg(chart: Chart | Drawing) -> str:
    """Lines where x is a number, bars where it is a word."""
    if isinstance(chart, Drawing):
        return chart.svg
    values = [y for series in chart.series for _, y in series.points if y == y]
    highest = max([*values, chart.limit[1] if chart.limit else 0.0, 1e-9])
    step = _step(highest)
    top = step * (floor(highest / step - 1e-9) + 1)
    plot_width, plot_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def y_of(value: float) -> float:
        return TOP + plot_height * (1 - value / top)

    parts = []
    for index in range(round(top / step) + 1):
        y = y_of(index * step)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + plot_width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{index * step:g}</text>')
    xs = [x for series in chart.series for x, _ in series.points]
    bars = any(isinstance(x, str) for x in xs)
    parts += _bars(chart.series, plot_width, y_of) if bars else _lines(chart.series, plot_width, y_of)
    if chart.limit:
        y = y_of(chart.limit[1])
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{LEFT + plot_width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT + plot_width + 8}" y="{y + 4:.1f}">{escape(chart.limit[0])}</text>')
    parts.append(f'<text x="{LEFT + plot_width / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(chart.x)}</text>')
    parts.append(f'<text transform="translate(14 {TOP + plot_height / 2}) rotate(-90)" text-anchor="middle">{escape(chart.y)}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title, quote=True)}">{"".join(parts)}</svg>'


def _step(highest: float) -> float:
    """A round distance of grid lines, four to eight of them."""
    rough = highest / 5
    power = 10.0 ** floor(log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _lines(series: Sequence[Series], width: float, y_of: YOf) -> list[str]:
    xs = sorted({float(x) for each in series for x, _ in each.points})
    most = max(xs)

    def x_of(x: float) -> float:
        return LEFT + width * x / most

    parts, last = [], -100.0
    for x in xs:
        if x_of(x) - last > 24:
            last = x_of(x)
            parts.append(f'<text x="{last:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:g}</text>')
    for at, each in enumerate(series):
        colour = COLOURS[at % len(COLOURS)]
        places = [(x_of(float(x)), y_of(y)) for x, y in each.points if y == y]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    return parts + _legend(series)


def _bars(series: Sequence[Series], width: float, y_of: YOf) -> list[str]:
    words = list(dict.fromkeys(str(x) for each in series for x, _ in each.points))
    slot = width / len(words)
    bar = slot * 0.8 / len(series)
    parts = []
    for at, word in enumerate(words):
        middle = LEFT + slot * (at + 0.5)
        parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{escape(word)}</text>')
    for which, each in enumerate(series):
        colour = COLOURS[which % len(COLOURS)]
        for x, y in each.points:
            left = LEFT + slot * (words.index(str(x)) + 0.1) + bar * which
            high = y_of(y)
            parts.append(f'<rect x="{left:.1f}" y="{high:.1f}" width="{bar:.1f}" height="{y_of(0) - high:.1f}" fill="{colour}"/>')
            parts.append(f'<text x="{left + bar / 2:.1f}" y="{high - 4:.1f}" text-anchor="middle">{y:.3g}</text>')
    return parts + (_legend(series) if len(series) > 1 else [])


def _legend(series: Sequence[Series]) -> list[str]:
    parts = []
    for at, each in enumerate(series):
        y = TOP + 12 + 20 * at
        parts.append(f'<rect x="{WIDTH - RIGHT + 12}" y="{y - 10}" width="12" height="12" fill="{COLOURS[at % len(COLOURS)]}"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 30}" y="{y}">{escape(each.name)}</text>')
    return parts
