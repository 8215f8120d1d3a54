"""Training curves: several runs over the same panels."""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from ...rewards.drawing import plain_text
from ..data.runs import RunCurves
from .style import Figure, at, axis_title, colour, columns, dash, figure, note, panel, rgba, title

Axis = Literal["steps", "hours"]

_COLUMNS = 3
_PANEL_HEIGHT = 200  # pixels
_BETWEEN_ROWS = 0.38  # of a panel's height and what is below it
_AXIS_NAMES: dict[Axis, str] = {"steps": "agent-steps", "hours": "hours"}

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
    return known + [Panel(name, plain_text(_plain(name))) for name in rest]


def curves_figure(
    runs: Sequence[RunCurves],
    section: str,
    axis: Axis = "steps",
    smoothing: int = 0,
    bands: bool = False,
) -> Figure:
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
        return note(_NOTHING.get(section, "Nothing was logged here yet"))
    rows = math.ceil(len(panels) / _COLUMNS)
    height = (1 - _BETWEEN_ROWS * (rows - 1) / rows) / rows
    across = columns(_COLUMNS, 0.06)
    data, layout, titles = [], {}, []
    for place, one in enumerate(panels):
        row, column = divmod(place, _COLUMNS)
        top = max(1 - row * (height + _BETWEEN_ROWS / rows), height)
        traces = _traces(runs, one, axis, smoothing, bands)
        data += [trace | at(place) for trace in traces]
        titles.append(title(one.title, across[column][0], top))
        layout |= panel(
            place,
            across[column],
            (top - height, top),
            # A range of its own would be new with every iteration, and end a viewer's zoom
            {"rangemode": "tozero"}
            | ({"matches": "x"} if place else {})
            | ({"title": axis_title(_AXIS_NAMES[axis])} if place + _COLUMNS >= len(panels) else {}),
            {"nticks": 5} | _steady(traces),
        )
    _name_once(data)
    return figure(
        data,
        rows * _PANEL_HEIGHT + 60,
        annotations=titles,
        showlegend=len(runs) > 1,
        legend={"y": 1.0 + 34 / (rows * _PANEL_HEIGHT)},
        # With room for the legend, so that Plotly need not draw all again to make some
        margin={"t": 62 if len(runs) > 1 else 34, "autoexpand": False},
        uirevision=f"{section} {axis}",
        **layout,
    )


def _steady(traces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Show what never changes in the middle; Plotly would show it from -1 to 1."""
    values = np.concatenate([[], *(trace["y"] for trace in traces)])
    values = values[np.isfinite(values)]
    if len(values) == 0 or np.ptp(values) > 1e-6 * np.abs(values).max() or values[0] == 0:
        return {}
    return {"range": sorted([0, 2 * float(values[0])])}


def _name_once(traces: Sequence[dict[str, Any]]) -> None:
    """Let the legend name each run by the first of its lines."""
    named = set()
    for trace in traces:
        is_first = trace["legendgroup"] not in named and "hovertemplate" in trace
        trace["showlegend"] = is_first
        if is_first:
            named.add(trace["legendgroup"])


def _traces(
    runs: Sequence[RunCurves], panel: Panel, axis: Axis, smoothing: int, bands: bool
) -> list[dict[str, Any]]:
    if panel.metric == RATING:
        return [trace for i, run in enumerate(runs) for trace in _rating(run, i, axis)]
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
            traces += _band(series, members)
        elif series:
            index, run = members[0]
            x, y = series[0]
            traces.append(_line(x, y, index, run.label))
    return traces


def _line(x: pd.Series, y: pd.Series, index: int, name: str) -> dict[str, Any]:
    return {
        "x": x.to_numpy(),
        "y": np.asarray(y, np.float32),
        "mode": "lines" if len(x) > 1 else "markers",  # a line of one point cannot be seen
        "name": plain_text(name),
        "legendgroup": name,
        "line": {"color": colour(index), "width": 1.6, "dash": dash(index)},
        "hovertemplate": "%{y:.4g}",
    }


def _band(
    series: Sequence[tuple[pd.Series, pd.Series]],
    members: Sequence[tuple[int, RunCurves]],
) -> list[dict[str, Any]]:
    """The mean of several seeds, on the points of the shortest, and their whole range."""
    index, first = members[0]
    axis = min((x.to_numpy(float) for x, _ in series), key=lambda x: x[-1] if len(x) else 0)
    rows = np.stack([np.interp(axis, x.to_numpy(float), y.to_numpy(float)) for x, y in series])
    name = f"{first.summary.name}, {len(series)} seeds"
    edge = {"color": colour(index), "width": 0}
    common = {
        "x": axis,
        "mode": "lines",
        "line": edge,
        "legendgroup": name,
        "hoverinfo": "skip",
    }
    filled = {"fill": "tonexty", "fillcolor": rgba(colour(index), 0.22)}
    return [
        common | {"y": rows.min(axis=0)},
        common | {"y": rows.max(axis=0)} | filled,
        _line(pd.Series(axis), pd.Series(rows.mean(axis=0)), index, name),
    ]


def _rating(run: RunCurves, index: int, axis: Axis) -> list[dict[str, Any]]:
    traces = []
    for mode, ratings in run.ratings.groupby("mode"):
        traces.append(
            {
                "x": ratings[axis].to_numpy(),
                "y": ratings["mu"].to_numpy(),
                "error_y": {"array": ratings["sigma"].to_numpy(), "thickness": 1, "width": 2},
                "mode": "lines+markers",
                "name": plain_text(run.label),
                "legendgroup": run.label,
                "line": {"color": colour(index), "width": 1.6, "dash": dash(index)},
                "marker": {"size": 5},
                "hovertemplate": f"{mode} %{{y:.2f}}",
            }
        )
    return traces


def _smooth(values: Any, window: int) -> Any:
    if window < 2:
        return values
    return values.rolling(window, min_periods=1, center=True).mean()


def _plain(metric: str) -> str:
    return metric.partition("/")[2].replace("_", " ").capitalize()
