"""Training curves: several runs over the same panels."""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..data.runs import RunCurves
from .style import colour, dash, frame, note, panel_titles, rgba

Axis = Literal["steps", "hours"]

_COLUMNS = 3
_PANEL_HEIGHT = 200  # pixels

RATING = "rating"


class Panel(NamedTuple):
    """One metric: what it is called, and how it is counted."""

    metric: str
    title: str
    sign: float = 1.0


SECTIONS: dict[str, tuple[Panel, ...]] = {
    "play": (
        Panel(RATING, "Rating (± its uncertainty)"),
        Panel("game/goals_per_minute", "Goals a minute"),
        Panel("game/touches_per_minute", "Touches a car and minute"),
        Panel("game/speed", "Speed of the cars (uu/s)"),
        Panel("game/goal_speed", "Speed of the ball in goals (uu/s)"),
        Panel("game/touched_ball_to_goal", "Touched ball toward the goal (uu/s)"),
        Panel("game/in_air_ratio", "Share of time in the air"),
        Panel("game/ball_speed", "Speed of the ball (uu/s)"),
        Panel("game/boost", "Boost in the tank (0 to 1)"),
        Panel("game/demos_per_minute", "Demolitions a car and minute"),
        Panel("game/touch_ratio", "Share of steps with a touch"),
    ),
    "reward": (
        Panel("reward/total", "Reward a car and step"),
        Panel("reward_spread/total", "Its spread"),
        Panel("rollout/ep_rew_mean", "Return of an episode"),
        Panel("rollout/ep_len_mean", "Steps of an episode"),
    ),
    "ppo": (
        Panel("train/entropy_loss", "Entropy (nats)", -1.0),
        Panel("train/approx_kl", "KL of an update"),
        Panel("train/clip_fraction", "Share clipped"),
        Panel("train/explained_variance", "Explained variance of the critic"),
        Panel("train/value_loss", "Value loss"),
        Panel("train/policy_gradient_loss", "Policy loss"),
        Panel("train/loss", "Loss"),
        Panel("train/learning_rate", "Learning rate"),
    ),
    "auxiliary": (),
    "time": (
        Panel("time/overall_steps_per_second", "Steps a second, overall"),
        Panel("time/collected_steps_per_second", "Steps a second, while collecting"),
        Panel("time/collect_seconds", "Collecting (s an iteration)"),
        Panel("time/update_seconds", "Update (s an iteration)"),
    ),
}
_PREFIXES = {"auxiliary": "aux/", "time": "time/", "ppo": "train/", "play": "game/"}
_NOTHING = {
    "auxiliary": "No auxiliary task was trained with: <b>lucy train --preset lucy-skg</b> has two",
}


def panels_of(section: str, runs: Sequence[RunCurves]) -> list[Panel]:
    """The section's panels that any of the runs has something for, known ones first."""
    logged = {
        name: None
        for run in runs
        for name in run.metrics.columns[3:]
        if bool(run.metrics[name].notna().any())
    }
    known = [
        panel
        for panel in SECTIONS[section]
        if panel.metric in logged
        or (panel.metric == RATING and any(len(run.ratings) for run in runs))
    ]
    listed = {panel.metric for panel in known}
    prefix = _PREFIXES.get(section)
    rest = [name for name in logged if prefix and name.startswith(prefix) and name not in listed]
    return known + [Panel(name, _plain(name)) for name in rest]


def curves_figure(
    runs: Sequence[RunCurves],
    section: str,
    axis: Axis = "steps",
    smoothing: int = 0,
    bands: bool = False,
) -> go.Figure:
    """The panels of a section, a line a run.

    Args:
        runs: in the order of their colours.
        section: of `SECTIONS`.
        axis: what runs across.
        smoothing: iterations that a mean moves over; 0 for none.
        bands: put runs that differ in their seed alone together: their mean, and a band from
            the lowest to the highest.
    """
    panels = panels_of(section, runs)
    if not panels:
        figure = frame(go.Figure(), 180)
        return note(figure, _NOTHING.get(section, "Nothing was logged here yet"))
    rows = math.ceil(len(panels) / _COLUMNS)
    figure = make_subplots(
        rows,
        _COLUMNS,
        subplot_titles=[panel.title for panel in panels],
        horizontal_spacing=0.06,
        vertical_spacing=0.38 / rows,
    )
    for place, panel in enumerate(panels):
        row, column = place // _COLUMNS + 1, place % _COLUMNS + 1
        for trace in _traces(runs, panel, axis, smoothing, bands, place == 0):
            figure.add_trace(trace, row=row, col=column)
    frame(figure, rows * _PANEL_HEIGHT + 60)
    _steady(figure)
    panel_titles(figure, [panel.title for panel in panels])
    layout: Any = figure.layout
    for place, annotation in enumerate(layout.annotations):
        annotation.update(x=layout[f"xaxis{place + 1 if place else ''}"].domain[0])
    figure.update_layout(showlegend=len(runs) > 1, margin={"t": 62 if len(runs) > 1 else 34})
    figure.update_layout(legend={"y": 1.0 + 34 / (rows * _PANEL_HEIGHT)})
    for column in range(1, _COLUMNS + 1):
        figure.update_xaxes(
            title={"text": "agent-steps" if axis == "steps" else "hours", "font": {"size": 11}},
            row=rows,
            col=column,
        )
    figure.update_yaxes(rangemode="normal", nticks=5)
    return figure


def _steady(figure: go.Figure) -> None:
    """Show what never changes in the middle; Plotly would show it from -1 to 1."""
    for trace in figure.data:
        values = np.asarray(trace.y, np.float64)  # pyright: ignore[reportAttributeAccessIssue]
        if len(values) and np.ptp(values) == 0 and values[0]:
            axis = "yaxis" + (trace.yaxis or "y")[1:]  # pyright: ignore[reportAttributeAccessIssue]
            figure.layout[axis].range = sorted([0, 2 * float(values[0])])


def _traces(
    runs: Sequence[RunCurves], panel: Panel, axis: Axis, smoothing: int, bands: bool, legend: bool
) -> list[go.Scatter]:
    if panel.metric == RATING:
        return [trace for i, run in enumerate(runs) for trace in _rating(run, i, axis, legend)]
    groups: dict[str, list[tuple[int, RunCurves]]] = {}
    for i, run in enumerate(runs):
        groups.setdefault(run.group if bands else str(i), []).append((i, run))
    traces = []
    for members in groups.values():
        series: list[Any] = [
            (run.metrics[axis], _smooth(run.metrics[panel.metric] * panel.sign, smoothing))
            for _, run in members
            if panel.metric in run.metrics
        ]
        if len(series) > 1:
            traces += _band(series, members, legend)
        elif series:
            index, run = members[0]
            x, y = series[0]
            traces.append(_line(x, y, index, run.label, legend))
    return traces


def _line(x: pd.Series, y: pd.Series, index: int, name: str, legend: bool) -> go.Scatter:
    return go.Scatter(
        x=x.to_numpy(),
        y=np.asarray(y, np.float32),
        mode="lines",
        name=name,
        legendgroup=name,
        showlegend=legend,
        line={"color": colour(index), "width": 1.6, "dash": dash(index)},
        hovertemplate="%{y:.4g}",
    )


def _band(
    series: Sequence[tuple[pd.Series, pd.Series]],
    members: Sequence[tuple[int, RunCurves]],
    legend: bool,
) -> list[go.Scatter]:
    """The mean of several seeds, on the points of the shortest, and their whole range."""
    index, first = members[0]
    axis = min((x.to_numpy(float) for x, _ in series), key=lambda x: x[-1] if len(x) else 0)
    rows = np.stack([np.interp(axis, x.to_numpy(float), y.to_numpy(float)) for x, y in series])
    name = f"{first.summary.name}, {len(series)} seeds"
    edge = {"color": colour(index), "width": 0}
    common = {"x": axis, "legendgroup": name, "showlegend": False, "hoverinfo": "skip"}
    return [
        go.Scatter(**common, y=rows.min(axis=0), mode="lines", line=edge),
        go.Scatter(
            **common,
            y=rows.max(axis=0),
            mode="lines",
            line=edge,
            fill="tonexty",
            fillcolor=rgba(colour(index), 0.22),
        ),
        _line(pd.Series(axis), pd.Series(rows.mean(axis=0)), index, name, legend),
    ]


def _rating(run: RunCurves, index: int, axis: Axis, legend: bool) -> list[go.Scatter]:
    traces = []
    for mode, ratings in run.ratings.groupby("mode"):
        name = f"{run.label}, {mode}"
        traces.append(
            go.Scatter(
                x=ratings[axis],
                y=ratings["mu"],
                error_y={"array": ratings["sigma"], "thickness": 1, "width": 2},
                mode="lines+markers",
                name=name,
                legendgroup=run.label,
                showlegend=legend,
                line={"color": colour(index), "width": 1.6, "dash": dash(index)},
                marker={"size": 5},
                hovertemplate=f"{mode} %{{y:.2f}}",
            )
        )
    return traces


def _smooth(values: Any, window: int) -> Any:
    if window < 2:
        return values
    return values.rolling(window, min_periods=1, center=True).mean()


def _plain(metric: str) -> str:
    return metric.partition("/")[2].replace("_", " ").capitalize()
