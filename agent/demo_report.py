"""One self-contained HTML page about a short training run: a table, a clip of play and curves."""

import html
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from plotly.offline import get_plotlyjs

FRAMES_PER_SECOND = 15
PADS = 34
BIG_PAD_HEIGHT = 73.0

_TEMPLATE = Path(__file__).with_name("demo_report.html")
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_MISSING = "\N{EN DASH}"

Curve = tuple[list[float], list[float]]


class Clip(NamedTuple):
    """T frames of one arena with C cars, 15 frames a second; lengths are in Unreal units."""

    ball_position: np.ndarray
    """[T, 3]"""
    car_position: np.ndarray
    """[T, C, 3]"""
    car_forward: np.ndarray
    """[T, C, 3], unit vectors"""
    car_boost: np.ndarray
    """[T, C], 0 to 1"""
    car_is_demoed: np.ndarray
    """[T, C], bool"""
    car_team: np.ndarray
    """[C], 0 for blue and 1 for orange"""
    score: np.ndarray
    """[T, 2], blue and orange"""
    boost_pad_active: np.ndarray
    """[T, 34], bool"""
    cut: np.ndarray
    """[T], bool: the first frame of a kickoff or episode, which motion must not cross"""
    names: tuple[str, str]
    """The bots that play blue and orange"""


def write_report(
    path: Path,
    *,
    title: str,
    summary: str,
    table: list[dict[str, str | float]],
    curves: dict[str, Curve],
    reward_shares: dict[str, Curve],
    clip: Clip,
    pad_positions: np.ndarray,
) -> None:
    """Write the report as one HTML file that works offline.

    Args:
        path: The file to write; it is replaced whole or not at all.
        title: The heading of the page.
        summary: One paragraph below the heading.
        table: Rows that share their keys, which become the columns.
        curves: Agent-steps and values for each metric; values that are not finite become gaps.
        reward_shares: Agent-steps and share of the absolute reward, 0 to 1, for each component.
        clip: The play to animate.
        pad_positions: [34, 3], where the boost pads are, in the order of `boost_pad_active`.

    Raises:
        ValueError: If an array has the wrong shape or a position is not finite.
    """
    data = {
        "curves": {name: _pack_curve(name, curve) for name, curve in curves.items()},
        "reward_shares": {name: _pack_curve(name, curve) for name, curve in reward_shares.items()},
        "clip": _pack_clip(clip),
        "pads": _pack_pads(pad_positions),
    }
    page = _fill(
        _TEMPLATE.read_text(encoding="utf-8"),
        {
            "title": html.escape(title),
            "summary": html.escape(summary),
            "table": _table_html(table),
            "data": _script_json(data),
            "plotly": get_plotlyjs(),
        },
    )
    _write_atomically(path, page)


def _pack_curve(name: str, curve: Curve) -> dict[str, list[float | None]]:
    steps, values = curve
    if len(steps) != len(values):
        raise ValueError(
            f"curve {name!r}: expected as many values as steps, "
            f"got {len(steps)} steps and {len(values)} values"
        )
    return {"steps": _with_gaps(steps), "values": _with_gaps(values)}


def _with_gaps(values: Iterable[float]) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]


def _pack_clip(clip: Clip) -> dict[str, Any]:
    _check_clip(clip)
    return {
        "frames_per_second": FRAMES_PER_SECOND,
        "names": list(clip.names),
        "ball_position": _quantise("ball_position", clip.ball_position),
        "car_position": _quantise("car_position", clip.car_position),
        "car_forward": _quantise("car_forward", clip.car_forward, scale=100),
        "car_boost": _quantise("car_boost", clip.car_boost, scale=100),
        "car_is_demoed": _quantise("car_is_demoed", clip.car_is_demoed),
        "car_team": _quantise("car_team", clip.car_team),
        "score": _quantise("score", clip.score),
        "boost_pad_active": _quantise("boost_pad_active", clip.boost_pad_active),
        "cut": _quantise("cut", clip.cut),
    }


def _check_clip(clip: Clip) -> None:
    frames, cars = np.size(clip.cut), np.size(clip.car_team)
    if frames == 0:
        raise ValueError("clip.cut: expected at least one frame, got none")
    for name, expected in {
        "cut": (frames,),
        "car_team": (cars,),
        "ball_position": (frames, 3),
        "car_position": (frames, cars, 3),
        "car_forward": (frames, cars, 3),
        "car_boost": (frames, cars),
        "car_is_demoed": (frames, cars),
        "score": (frames, 2),
        "boost_pad_active": (frames, PADS),
    }.items():
        _check_shape(f"clip.{name}", getattr(clip, name), expected)


def _check_shape(name: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    if np.shape(array) != expected:
        raise ValueError(f"{name}: expected shape {expected}, got {np.shape(array)}")


def _quantise(name: str, array: np.ndarray, scale: float = 1) -> list[Any]:
    scaled = np.asarray(array, dtype=np.float64) * scale
    if not np.isfinite(scaled).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return np.rint(scaled).astype(np.int64).tolist()


def _pack_pads(positions: np.ndarray) -> list[dict[str, Any]]:
    _check_shape("pad_positions", positions, (PADS, 3))
    return [
        {"x": x, "y": y, "big": abs(z - BIG_PAD_HEIGHT) < 1}
        for x, y, z in _quantise("pad_positions", positions)
    ]


def _table_html(rows: list[dict[str, str | float]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if not columns:
        return ""
    head = "".join(f'<th scope="col">{_cell(column)}</th>' for column in columns)
    body = "".join(_row_html([row.get(column, _MISSING) for column in columns]) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row_html(values: list[str | float]) -> str:
    heading, *cells = map(_cell, values)
    return f'<tr><th scope="row">{heading}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return html.escape(value)
    if not math.isfinite(value):
        return _MISSING
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"


def _script_json(data: object) -> str:
    """Encode data so that no string in it can close the script element around it."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _fill(template: str, values: Mapping[str, str]) -> str:
    # One pass, so a placeholder inside a value stays the text that it is.
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def _write_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
