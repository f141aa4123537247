"""A playbook as DOT for Graphviz, and as an SVG that needs nothing but a browser.

Names come from a file that somebody else may have written: whatever goes into the markup is
escaped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from federation.resilience.playbook.layout import Arrow, arrows, layers
from federation.resilience.playbook.model import Playbook

_WIDTH: Final = 168
_HEIGHT: Final = 44
_GAP_X: Final = 340
_GAP_Y: Final = 150
_MARGIN: Final = 130
_LINE: Final = 12
_BEND: Final = 46


def dot(playbook: Playbook) -> str:
    """The graph in the DOT language."""
    lines = ["digraph playbook {", "  rankdir=TB;", '  node [shape=box, style="rounded"];']
    lines += [
        f"  {_quoted(name)} [tooltip={_quoted(state.about)}"
        + (", peripheries=2];" if name == playbook.initial else "];")
        for name, state in playbook.states.items()
    ]
    for arrow in arrows(playbook):
        label = "\\n".join(_plain(event) for event in arrow.events)
        ends = f"{_quoted(arrow.source)} -> {_quoted(arrow.target)}"
        lines.append(f'  {ends} [label="{label}"];')
    return "\n".join([*lines, "}"]) + "\n"


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _quoted(text: str) -> str:
    return f'"{_plain(text)}"'


@dataclass(frozen=True, slots=True)
class _Point:
    x: float
    y: float


def svg(playbook: Playbook) -> str:
    """The graph as a picture: states as boxes, one arrow for all events between two of them."""
    rows = layers(playbook)
    widest = max(map(len, rows))
    width = 2 * _MARGIN + _WIDTH + (widest - 1) * _GAP_X
    height = 2 * _MARGIN + _HEIGHT + (len(rows) - 1) * _GAP_Y
    at = {
        name: _Point(width / 2 + (place - (len(row) - 1) / 2) * _GAP_X, _MARGIN + depth * _GAP_Y)
        for depth, row in enumerate(rows)
        for place, name in enumerate(row)
    }
    drawn = arrows(playbook)
    pairs = {(arrow.source, arrow.target) for arrow in drawn}
    parts = [_head(width, height)]
    for arrow in drawn:
        if arrow.target in at and arrow.source in at:
            both = (arrow.target, arrow.source) in pairs
            parts += _arrow(arrow, at[arrow.source], at[arrow.target], both=both)
    for name, point in at.items():
        parts.append(_box(playbook, name, point))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _head(width: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" font-family="sans-serif" role="img">\n'
        "<title>The life of one call on one deployment</title>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="#555"/>'
        "</marker></defs>\n"
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>'
    )


def _box(playbook: Playbook, name: str, point: _Point) -> str:
    start = name == playbook.initial
    fill = "#dbeafe" if start else "#f8fafc"
    return (
        f"<g><title>{escape(playbook.states[name].about)}</title>"
        f'<rect x="{point.x - _WIDTH / 2:g}" y="{point.y - _HEIGHT / 2:g}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" rx="10" fill="{fill}" stroke="#334155" stroke-width="1.5"/>'
        f'<text x="{point.x:g}" y="{point.y + 5:g}" text-anchor="middle" font-size="14" '
        f'fill="#0f172a">{escape(name)}</text></g>'
    )


def _arrow(arrow: Arrow, start: _Point, end: _Point, *, both: bool) -> Iterator[str]:
    if start == end:
        x, y = start.x + _WIDTH / 2, start.y
        yield (
            f'<path d="M{x:g} {y - 12:g}C{x + 44:g} {y - 30:g} {x + 44:g} {y + 30:g} '
            f'{x:g} {y + 12:g}" fill="none" stroke="#94a3b8" marker-end="url(#tip)"/>'
        )
        yield _label(arrow, x + 38, y, anchor="start", fill="#64748b")
        return
    bend = _BEND if both or start.y == end.y else 0.0
    middle = _bent(start, end, bend if abs(start.y - end.y) <= _GAP_Y else bend + 2 * _BEND)
    one, other = _edge(start, middle), _edge(end, middle)
    yield (
        f'<path d="M{one.x:g} {one.y:g}Q{middle.x:g} {middle.y:g} {other.x:g} {other.y:g}" '
        'fill="none" stroke="#555" marker-end="url(#tip)"/>'
    )
    x = one.x / 4 + middle.x / 2 + other.x / 4
    y = one.y / 4 + middle.y / 2 + other.y / 4
    yield _label(arrow, x, y, anchor="middle", fill="#0f172a")


def _bent(start: _Point, end: _Point, by: float) -> _Point:
    """The control point of a curve that keeps to the right of the straight way."""
    dx, dy = end.x - start.x, end.y - start.y
    length = max((dx * dx + dy * dy) ** 0.5, 1.0)
    return _Point(
        (start.x + end.x) / 2 - dy / length * by * 2, (start.y + end.y) / 2 + dx / length * by * 2
    )


def _edge(center: _Point, towards: _Point) -> _Point:
    """Where the way from a box's center leaves the box."""
    dx, dy = towards.x - center.x, towards.y - center.y
    reach = max(abs(dx) / (_WIDTH / 2), abs(dy) / (_HEIGHT / 2), 1e-6)
    return _Point(round(center.x + dx / reach, 1), round(center.y + dy / reach, 1))


def _label(arrow: Arrow, x: float, y: float, *, anchor: str, fill: str) -> str:
    top = y - (len(arrow.events) - 1) * _LINE / 2 + 4
    lines = "".join(
        f'<tspan x="{x:.1f}" y="{top + place * _LINE:.1f}">{escape(event)}</tspan>'
        for place, event in enumerate(arrow.events)
    )
    return (
        f'<text font-size="10" text-anchor="{anchor}" fill="{fill}" stroke="#fff" '
        f'stroke-width="3" paint-order="stroke">{lines}</text>'
    )
