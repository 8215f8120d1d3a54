"""What a reward paid one player over a game, moment by moment."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ...rewards.drawing import MUTED, TEAM_COLOURS, plain_text
from ..data.events import Event
from .style import Figure, at, axis_title, colour, dash, figure, filling, panel, rgba

Style = Literal["rate", "sum"]

_BINS = 420
_HEIGHT = 360
_PAID_UP_TO = 0.82  # of the figure's height; events are above
_CLIPPED = 0.985  # quantile of a bin's height that the axis reaches to
_ROWS = {"blue": 1.0, "orange": 0.0}
_SYMBOLS = {"goal": "star", "shot": "triangle-up", "save": "square", "demo": "x", "touch": "circle"}
_SIZES = {"goal": 14, "shot": 9, "save": 8, "demo": 8, "touch": 4}


def binned(paid: np.ndarray, step_seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Sums of [T,K] over equal stretches of time.

    Returns:
        Seconds at which the stretches end, [B], and the sums, [B,K] float64.
    """
    size = max(1, -(-len(paid) // _BINS))
    count = -(-len(paid) // size)
    padded = np.zeros((count * size, paid.shape[1]))
    padded[: len(paid)] = np.nan_to_num(paid)
    ends = np.minimum(np.arange(1, count + 1) * size, len(paid)) - 1
    return ends * step_seconds, padded.reshape(count, size, -1).sum(axis=1)


def timeline_figure(
    names: Sequence[str],
    paid: np.ndarray,
    step_seconds: float,
    events: Sequence[Event],
    car: int,
    style: Style = "rate",
) -> Figure:
    """A strip of events above what each component paid.

    Args:
        names: [K] components.
        paid: [T,K] to the player; NaN where nothing is paid.
        step_seconds: that a step lasts.
        events: of the game; the player's own stand out.
        car: the player's slot.
        style: "rate", paid a second, gains above losses; "sum", what it has added up to.
    """
    seconds, sums = binned(paid, step_seconds)
    last = float(seconds[-1]) if len(seconds) else 1.0
    ticks = np.arange(0, last + 1, _tick(last))
    across: Any = {
        "range": [0, last],
        "tickvals": ticks,
        "ticktext": [clock(float(tick)) for tick in ticks],
    }
    up: Any = {"zeroline": True, "zerolinecolor": MUTED, "zerolinewidth": 1}
    said: list[dict[str, Any]] = []
    if style == "sum":
        traces = _sums(names, seconds, sums)
    else:
        rate = sums / (seconds[1] - seconds[0] if len(seconds) > 1 else 1.0)
        traces = _rates(names, seconds, rate)
        up["range"], said = _clipped(seconds, rate)
    up["title"] = axis_title("paid a second" if style == "rate" else "paid so far")
    teams = {"range": [-0.6, 1.6], "tickvals": [0, 1], "ticktext": ["orange", "blue"]}
    return figure(
        [*_marks(events, car), *(trace | at(1) for trace in traces)],
        _HEIGHT,
        hovermode="closest",
        clickmode="none",
        margin={"t": 8, "r": 180},
        legend={
            "orientation": "v",
            "x": 1.01,
            "y": 1,
            "yanchor": "top",
            "font": {"size": 11},
            "tracegroupgap": 0,
        },
        shapes=[_goal_line(event) for event in events if event.kind == "goal"],
        annotations=said,
        **panel(
            0,
            (0, 1),
            (_PAID_UP_TO + 0.02, 1),
            across | {"matches": "x2", "showticklabels": False},
            teams | {"showgrid": False},
        ),
        **panel(1, (0, 1), (0, _PAID_UP_TO), across, up),
    )


def clock(seconds: float) -> str:
    """Minutes and seconds since the start."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _tick(seconds: float) -> int:
    return next((size for size in (5, 10, 30, 60, 120) if seconds / size <= 12), 300)


def _marks(events: Sequence[Event], car: int) -> list[dict[str, Any]]:
    traces = []
    for kind in _SYMBOLS:
        chosen = [event for event in events if event.kind == kind]
        if not chosen:
            continue
        marker = {
            "symbol": _SYMBOLS[kind],
            "line": {"width": 0},
            "size": [_SIZES[kind] + 2 * (event.car == car) for event in chosen],
            "color": [TEAM_COLOURS[event.team == "orange"] for event in chosen],
            "opacity": [1.0 if event.car in (car, -1) else 0.45 for event in chosen],
        }
        traces.append(
            {
                "x": [event.seconds for event in chosen],
                "y": [_ROWS[event.team] for event in chosen],
                "mode": "markers",
                "name": kind,
                "showlegend": False,
                "marker": marker,
                "text": [f"{event.team} {kind} at {clock(event.seconds)}" for event in chosen],
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    return traces


def _goal_line(event: Event) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": event.seconds,
        "x1": event.seconds,
        "y0": 0,
        "y1": _PAID_UP_TO,
        "xref": "x2",
        "yref": "paper",
        "line": {"color": TEAM_COLOURS[event.team == "orange"], "width": 1, "dash": "dot"},
    }


def _sums(names: Sequence[str], seconds: np.ndarray, sums: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "x": seconds,
            "y": np.float32(sums[:, i].cumsum()),
            "mode": "lines",
            "name": plain_text(name),
            "line": {"color": colour(i), "width": 1.7, "dash": dash(i)},
            "hovertemplate": "%{fullData.name}: %{y:.3g}<extra></extra>",
        }
        for i, name in enumerate(names)
        if sums[:, i].any()
    ]


def _rates(names: Sequence[str], seconds: np.ndarray, rate: np.ndarray) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = []
    for i, name in enumerate(names):
        gains, losses = rate[:, i].clip(0), rate[:, i].clip(None, 0)
        for sign, values in (("gain", gains), ("loss", losses)):
            if not values.any():
                continue
            traces.append(
                {
                    "x": seconds,
                    "y": np.float32(values),
                    "mode": "lines",
                    "name": plain_text(name),
                    "legendgroup": name,
                    "showlegend": sign == "gain" or not gains.any(),
                    "stackgroup": sign,
                    "line": {"width": 0, "color": colour(i), "shape": "hv"},
                    "fillcolor": rgba(colour(i), 0.9),
                    "fillpattern": filling(i),
                    "hoverinfo": "skip",
                }
            )
    traces.append(
        {
            "x": seconds,
            "y": np.float32(rate.sum(axis=1)),
            "mode": "lines",
            "name": "total",
            "line": {"color": MUTED, "width": 1},
            "text": [_largest(names, row) for row in rate],
            "hovertemplate": "%{text}<extra></extra>",
        }
    )
    return traces


def _clipped(
    seconds: np.ndarray, rate: np.ndarray
) -> tuple[tuple[float, float], list[dict[str, Any]]]:
    """Let goals run over the edge, with their value there, so that the rest can be seen."""
    high, low = rate.clip(0).sum(axis=1), rate.clip(None, 0).sum(axis=1)
    bottom, top = (
        float(np.quantile(values, share)) * 1.3
        for values, share in ((low, 1 - _CLIPPED), (high, _CLIPPED))
    )
    floor = 0.05 * max(-bottom, top, 1e-6)
    bottom, top = min(bottom, -floor), max(top, floor)
    said = []
    for values, edge, anchor in ((high, top, "top"), (low, bottom, "bottom")):
        over = np.flatnonzero(np.abs(values) > 2.5 * abs(edge))
        said += [
            {
                "x": float(seconds[i]),
                "y": edge,
                "xref": "x2",
                "yref": "y2",
                "text": f"{values[i]:+.3g}",
                "showarrow": False,
                "yanchor": anchor,
                "font": {"size": 10},
            }
            for i in over[np.argsort(-np.abs(values[over]))][:8]
        ]
    return (bottom, top), said


def _largest(names: Sequence[str], row: np.ndarray) -> str:
    order: list[int] = np.argsort(-np.abs(row))[:5].tolist()
    parts = [f"{plain_text(names[i])} {row[i]:+.3g}" for i in order if row[i]]
    return "<br>".join([f"<b>{row.sum():+.3g} a second</b>", *parts])
