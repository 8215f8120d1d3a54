"""Where a training's reward came from, and what a reward paid in a game."""

from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...rewards.drawing import MUTED, TEAM_COLOURS, colour_scale
from .style import colour, dash, filling, frame, note, rgba

Statistic = Literal["share", "mean", "spread", "value", "fired"]

STATISTIC_NAMES: dict[str, str] = {
    "share": "share of all that is paid",
    "mean": "paid a car and step",
    "spread": "spread of that",
    "value": "raw value",
    "fired": "steps that pay",
}
_HEIGHT = 400


def shares_figure(statistics: pd.DataFrame, statistic: str = "share") -> go.Figure:
    """A reward's components over a training.

    Args:
        statistics: of `readers.component_statistics`.
        statistic: of `STATISTIC_NAMES`; shares are stacked, steps that pay are drawn above
            the axis where they gave, and below it where they took.
    """
    figure = frame(go.Figure(), _HEIGHT)
    if statistics.empty:
        return note(figure, "No iteration yet")
    for i, (name, rows) in enumerate(statistics.groupby("component", observed=True, sort=False)):
        steps = rows["steps"].to_numpy()
        if statistic == "fired":
            for values, shown in ((rows["positive"], True), (-rows["negative"], False)):
                figure.add_trace(_line(str(name), i, steps, values.to_numpy(), shown))
        elif statistic == "share":
            figure.add_trace(
                go.Scatter(
                    x=steps,
                    y=rows["share"].to_numpy(np.float32),
                    name=str(name),
                    stackgroup="share",
                    mode="lines",
                    line={"width": 0.4, "color": "white"},
                    fillcolor=rgba(colour(i), 0.95),
                    fillpattern=filling(i),
                    hovertemplate="%{y:.1%}",
                )
            )
        else:
            figure.add_trace(_line(str(name), i, steps, rows[statistic].to_numpy(), True))
    title = STATISTIC_NAMES[statistic]
    figure.update_yaxes(title={"text": title, "font": {"size": 11}})
    if statistic == "share":
        figure.update_yaxes(range=[0, 1], tickformat=".0%")
    figure.update_xaxes(title={"text": "agent-steps", "font": {"size": 11}})
    figure.update_layout(
        legend={"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top", "traceorder": "normal"},
        margin={"t": 12, "r": 16},
    )
    return figure


def _line(name: str, index: int, steps: np.ndarray, values: np.ndarray, shown: bool) -> go.Scatter:
    return go.Scatter(
        x=steps,
        y=np.asarray(values, np.float32),
        name=name,
        legendgroup=name,
        showlegend=shown,
        mode="lines",
        line={"color": colour(index), "width": 1.6, "dash": dash(index)},
        hovertemplate="%{y:.4g}",
    )


def balance_figure(table: pd.DataFrame) -> go.Figure:
    """Gains and losses of each component, and what is paid after team spirit.

    Args:
        table: of `data.decomposition.balance`.
    """
    order = table.iloc[::-1]
    names = order["component"].tolist()
    figure = go.Figure()
    places = [int(i) for i in order.index]
    for part, label in (("gain", "gained"), ("loss", "lost")):
        figure.add_trace(
            go.Bar(
                x=order[part],
                y=names,
                orientation="h",
                name=label,
                marker={"color": [rgba(colour(i), 1 if part == "gain" else 0.55) for i in places]},
                hovertemplate=f"{label} %{{x:.3g}} a minute<extra>%{{y}}</extra>",
                showlegend=False,
            )
        )
    figure.add_trace(
        go.Scatter(
            x=order["paid"],
            y=names,
            mode="markers",
            name="paid after team spirit",
            marker={"symbol": "line-ns", "size": 15, "line": {"width": 2.5, "color": MUTED}},
            hovertemplate="paid %{x:.3g} a minute<extra>%{y}</extra>",
        )
    )
    frame(figure, 110 + 26 * len(names), hover="closest")
    figure.update_layout(barmode="relative", bargap=0.3, margin={"l": 10, "t": 40})
    figure.update_xaxes(
        title={"text": "a car and minute", "font": {"size": 11}},
        zeroline=True,
        zerolinecolor=MUTED,
        showgrid=True,
    )
    figure.update_yaxes(showgrid=False)
    return figure


def correlation_figure(correlations: pd.DataFrame) -> go.Figure:
    """Which components pay at the same moments.

    Args:
        correlations: of `data.decomposition.balance`.
    """
    names = [str(name) for name in correlations.index]
    colours, low, high = colour_scale(-1, 1)
    values = correlations.to_numpy(np.float64)
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=names,
            y=names,
            zmin=low,
            zmax=high,
            colorscale=colours,
            colorbar={"thickness": 10, "outlinewidth": 0, "title": {"text": "r"}},
            hovertemplate="%{x}<br>%{y}<br>r = %{z:.2f}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    frame(figure, 110 + 26 * len(names), hover="closest")
    figure.update_layout(margin={"l": 10, "t": 10})
    figure.update_xaxes(showticklabels=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def sides_figure(names: list[str], sides: dict[str, np.ndarray], teams: list[int]) -> go.Figure:
    """What two sides earned from each component, next to each other.

    Args:
        names: [K] components.
        sides: two bots, and what each earned a car and minute, [K].
        teams: whose colour each has.
    """
    figure = go.Figure()
    for (bot, values), team in zip(sides.items(), teams, strict=True):
        figure.add_trace(
            go.Bar(
                x=values[::-1],
                y=names[::-1],
                orientation="h",
                name=bot,
                marker={"color": TEAM_COLOURS[team]},
                hovertemplate="%{x:.3g} a minute<extra>%{y}</extra>",
            )
        )
    frame(figure, 110 + 34 * len(names), hover="closest")
    figure.update_layout(barmode="group", bargap=0.25, margin={"l": 10, "t": 40})
    figure.update_xaxes(
        title={"text": "earned a car and minute", "font": {"size": 11}},
        zeroline=True,
        zerolinecolor=MUTED,
        showgrid=True,
    )
    figure.update_yaxes(showgrid=False)
    return figure
