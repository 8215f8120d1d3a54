"""What a reward paid one player over a game, moment by moment."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ...rewards.drawing import MUTED, TEAM_COLOURS
from ..data.events import Event
from .style import colour, filling, frame, rgba

Style = Literal["rate", "sum"]

_BINS = 420
_HEIGHT = 360
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
) -> go.Figure:
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
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.16, 0.84], vertical_spacing=0.02)
    _add_events(figure, events, car)
    if style == "sum":
        _add_sums(figure, names, seconds, sums)
    else:
        _add_rates(figure, names, seconds, sums)
    frame(figure, _HEIGHT, hover="closest")
    figure.update_layout(margin={"t": 8, "r": 180}, legend={"orientation": "v", "x": 1.01, "y": 1})
    figure.update_layout(legend={"yanchor": "top", "font": {"size": 11}}, clickmode="none")
    figure.update_yaxes(
        row=1,
        col=1,
        range=[-0.6, 1.6],
        tickvals=[0, 1],
        ticktext=["orange", "blue"],
        showgrid=False,
    )
    figure.update_yaxes(row=2, col=1, zeroline=True, zerolinecolor=MUTED, zerolinewidth=1)
    last = float(seconds[-1]) if len(seconds) else 1.0
    ticks = np.arange(0, last + 1, _tick(last))
    figure.update_xaxes(
        range=[0, last],
        tickvals=ticks,
        ticktext=[clock(float(tick)) for tick in ticks],
    )
    title = "paid a second" if style == "rate" else "paid so far"
    figure.update_yaxes(row=2, col=1, title={"text": title, "font": {"size": 11}})
    return figure


def clock(seconds: float) -> str:
    """Minutes and seconds since the start."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _tick(seconds: float) -> int:
    return next((size for size in (5, 10, 30, 60, 120) if seconds / size <= 12), 300)


def _add_events(figure: go.Figure, events: Sequence[Event], car: int) -> None:
    for kind in _SYMBOLS:
        chosen = [event for event in events if event.kind == kind]
        if not chosen:
            continue
        colours = [TEAM_COLOURS[event.team == "orange"] for event in chosen]
        figure.add_trace(
            go.Scatter(
                x=[event.seconds for event in chosen],
                y=[_ROWS[event.team] for event in chosen],
                mode="markers",
                name=kind,
                showlegend=False,
                marker={
                    "symbol": _SYMBOLS[kind],
                    "size": [_SIZES[kind] + 2 * (event.car == car) for event in chosen],
                    "color": colours,
                    "opacity": [1.0 if event.car in (car, -1) else 0.45 for event in chosen],
                },
                text=[f"{event.team} {kind} at {clock(event.seconds)}" for event in chosen],
                hovertemplate="%{text}<extra></extra>",
            ),
            row=1,
            col=1,
        )
    for event in events:
        if event.kind == "goal":
            figure.add_shape(
                type="line",
                x0=event.seconds,
                x1=event.seconds,
                y0=0,
                y1=0.84,
                xref="x2",
                yref="paper",
                line={"color": TEAM_COLOURS[event.team == "orange"], "width": 1, "dash": "dot"},
            )


def _add_sums(
    figure: go.Figure, names: Sequence[str], seconds: np.ndarray, sums: np.ndarray
) -> None:
    for i, name in enumerate(names):
        if not sums[:, i].any():
            continue
        figure.add_trace(
            go.Scatter(
                x=seconds,
                y=sums[:, i].cumsum(),
                mode="lines",
                name=name,
                line={"color": colour(i), "width": 1.7},
                hovertemplate=f"{name}: %{{y:.3g}}<extra></extra>",
            ),
            row=2,
            col=1,
        )


def _add_rates(
    figure: go.Figure, names: Sequence[str], seconds: np.ndarray, sums: np.ndarray
) -> None:
    rate = sums / (seconds[1] - seconds[0] if len(seconds) > 1 else 1.0)
    for i, name in enumerate(names):
        if not rate[:, i].any():
            continue
        for sign, values in (("gain", rate[:, i].clip(0)), ("loss", rate[:, i].clip(None, 0))):
            if not values.any():
                continue
            figure.add_trace(
                go.Scatter(
                    x=seconds,
                    y=values,
                    mode="lines",
                    name=name,
                    legendgroup=name,
                    showlegend=sign == "gain" or not rate[:, i].clip(0).any(),
                    stackgroup=sign,
                    line={"width": 0, "color": colour(i), "shape": "hv"},
                    fillcolor=rgba(colour(i), 0.9),
                    fillpattern=filling(i),
                    hoverinfo="skip",
                ),
                row=2,
                col=1,
            )
    total = rate.sum(axis=1)
    figure.add_trace(
        go.Scatter(
            x=seconds,
            y=total,
            mode="lines",
            name="total",
            line={"color": MUTED, "width": 1},
            text=[_largest(names, row) for row in rate],
            hovertemplate="%{text}<extra></extra>",
        ),
        row=2,
        col=1,
    )
    _clip(figure, seconds, rate)


def _clip(figure: go.Figure, seconds: np.ndarray, rate: np.ndarray) -> None:
    """Let goals run over the edge, with their value there, so that the rest can be seen."""
    high, low = rate.clip(0).sum(axis=1), rate.clip(None, 0).sum(axis=1)
    reach = [float(np.quantile(low, 1 - _CLIPPED)) * 1.3, float(np.quantile(high, _CLIPPED)) * 1.3]
    floor = 0.05 * max(-reach[0], reach[1], 1e-6)
    reach = [min(reach[0], -floor), max(reach[1], floor)]
    figure.update_yaxes(row=2, col=1, range=reach)
    for values, edge, anchor in ((high, reach[1], "top"), (low, reach[0], "bottom")):
        over = np.flatnonzero(np.abs(values) > 2.5 * abs(edge))
        for i in over[np.argsort(-np.abs(values[over]))][:8]:
            figure.add_annotation(
                x=float(seconds[i]),
                y=edge,
                text=f"{values[i]:+.3g}",
                showarrow=False,
                yanchor=anchor,
                font={"size": 10},
                row=2,
                col=1,
            )


def _largest(names: Sequence[str], row: np.ndarray) -> str:
    order = np.argsort(-np.abs(row))[:5]
    parts = [f"{names[i]} {row[i]:+.3g}" for i in order if row[i]]
    return "<br>".join([f"<b>{row.sum():+.3g} a second</b>", *parts])
