"""Where a training's reward came from, and what a reward paid in a game."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from ...rewards.drawing import MUTED, TEAM_COLOURS, colour_scale, plain_text
from .style import Figure, axis_title, colour, dash, figure, filling, note, rgba

Statistic = Literal["share", "mean", "spread", "value", "fired"]

STATISTIC_NAMES: dict[str, str] = {
    "share": "share of all that is paid",
    "mean": "paid a car and step",
    "spread": "spread of that",
    "value": "raw value",
    "fired": "steps that pay",
}
_HEIGHT = 400
_AMOUNTS = {"zeroline": True, "zerolinecolor": MUTED, "showgrid": True}
_NAMES = {"showgrid": False, "automargin": True}


def shares_figure(statistics: pd.DataFrame, statistic: str = "share") -> Figure:
    """A reward's components over a training.

    Args:
        statistics: of `readers.component_statistics`.
        statistic: of `STATISTIC_NAMES`; shares are stacked, steps that pay are drawn above
            the axis where they gave, and below it where they took.
    """
    if statistics.empty:
        return note("No iteration yet", _HEIGHT)
    data: list[dict[str, Any]] = []
    for i, (name, rows) in enumerate(statistics.groupby("component", observed=True, sort=False)):
        steps = rows["steps"].to_numpy()
        if statistic == "fired":
            for values, shown in ((rows["positive"], True), (-rows["negative"], False)):
                data.append(_line(str(name), i, steps, values.to_numpy(), shown))
        elif statistic == "share":
            data.append(
                {
                    "x": steps,
                    "y": rows["share"].to_numpy(np.float32),
                    "name": plain_text(str(name)),
                    "stackgroup": "share",
                    "mode": "lines",
                    "line": {"width": 0.4, "color": "white"},
                    "fillcolor": rgba(colour(i), 0.95),
                    "fillpattern": filling(i),
                    "hovertemplate": "%{y:.1%}",
                }
            )
        else:
            data.append(_line(str(name), i, steps, rows[statistic].to_numpy(), True))
    within = {"range": [0, 1], "tickformat": ".0%"} if statistic == "share" else {}
    return figure(
        data,
        _HEIGHT,
        xaxis={"title": axis_title("agent-steps")},
        yaxis={"title": axis_title(STATISTIC_NAMES[statistic])} | within,
        legend={"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top", "traceorder": "normal"},
        margin={"t": 12},
        uirevision=statistic,
    )


def _line(
    name: str, index: int, steps: np.ndarray, values: np.ndarray, shown: bool
) -> dict[str, Any]:
    return {
        "x": steps,
        "y": np.asarray(values, np.float32),
        "name": plain_text(name),
        "legendgroup": name,
        "showlegend": shown,
        "mode": "lines",
        "line": {"color": colour(index), "width": 1.6, "dash": dash(index)},
        "hovertemplate": "%{y:.4g}",
    }


def balance_figure(table: pd.DataFrame) -> Figure:
    """Gains and losses of each component, and what is paid after team spirit.

    Args:
        table: of `data.decomposition.balance`.
    """
    order = table.iloc[::-1]
    names = [plain_text(name) for name in order["component"]]
    places = [int(i) for i in order.index]
    bars = [
        {
            "type": "bar",
            "x": order[part].to_numpy(),
            "y": names,
            "orientation": "h",
            "name": label,
            "marker": {"color": [rgba(colour(i), opacity) for i in places]},
            "hovertemplate": f"{label} %{{x:.3g}} a minute<extra>%{{y}}</extra>",
            "showlegend": False,
        }
        for part, label, opacity in (("gain", "gained", 1), ("loss", "lost", 0.55))
    ]
    paid = {
        "x": order["paid"].to_numpy(),
        "y": names,
        "mode": "markers",
        "name": "paid after team spirit",
        "showlegend": True,
        "marker": {"symbol": "line-ns", "size": 15, "line": {"width": 2.5, "color": MUTED}},
        "hovertemplate": "paid %{x:.3g} a minute<extra>%{y}</extra>",
    }
    return figure(
        [*bars, paid],
        110 + 26 * len(names),
        hovermode="closest",
        barmode="relative",
        bargap=0.3,
        margin={"l": 10, "t": 40},
        xaxis=_AMOUNTS | {"title": axis_title("a car and minute")},
        yaxis=_NAMES,
    )


def correlation_figure(correlations: pd.DataFrame) -> Figure:
    """Which components pay at the same moments.

    Args:
        correlations: of `data.decomposition.balance`.
    """
    names = [plain_text(str(name)) for name in correlations.index]
    colours, low, high = colour_scale(-1, 1)
    values = correlations.to_numpy(np.float64)
    cells = {
        "type": "heatmap",
        "z": values,
        "x": names,
        "y": names,
        "zmin": low,
        "zmax": high,
        "colorscale": colours,
        "colorbar": {"thickness": 10, "outlinewidth": 0},
        "hovertemplate": "%{x}<br>%{y}<br>r = %{z:.2f}<extra></extra>",
        "xgap": 1,
        "ygap": 1,
    }
    return figure(
        [cells],
        110 + 26 * len(names),
        hovermode="closest",
        margin={"l": 10, "t": 10},
        xaxis={"showticklabels": False},
        yaxis=_NAMES | {"autorange": "reversed"},
    )


def sides_figure(names: list[str], sides: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """What two sides earned from each component, next to each other.

    Args:
        names: [K] components.
        sides: two bots, blue and orange here, and what each earned a car and minute, [K].
    """
    bars = [
        {
            "type": "bar",
            "x": values[::-1],
            "y": [plain_text(name) for name in names[::-1]],
            "orientation": "h",
            "name": plain_text(bot),
            "marker": {"color": TEAM_COLOURS[team]},
            "hovertemplate": "%{x:.3g} a minute<extra>%{y}</extra>",
        }
        for team, (bot, values) in enumerate(sides)
    ]
    return figure(
        bars,
        110 + 34 * len(names),
        hovermode="closest",
        barmode="group",
        bargap=0.25,
        margin={"l": 10, "t": 40},
        xaxis=_AMOUNTS | {"title": axis_title("earned a car and minute")},
        yaxis=_NAMES,
    )
