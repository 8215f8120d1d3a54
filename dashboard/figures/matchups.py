"""Bots against one another, drawn."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...rewards.drawing import MUTED, TEAM_COLOURS, colour_scale, plain_text
from ...sim.constants import BACK_WALL_Y, CORNER_CUT, SIDE_WALL_X
from ...sim.names import bot_labels
from .style import Figure, at, axis_title, columns, figure, note, panel, rgba, title
from .timeline import clock

_CELL = 44  # pixels
_MOST_BOTS = 30
_MOST_BARS = 150
_SPEED_BIN = 250.0  # uu/s
_HEAT = "#22a565"  # over white and near black alike
_LETTER = 6.5  # pixels of a tick's label
_MATRIX = 470  # pixels that its columns share


def matrix_figure(pairings: pd.DataFrame, bots: Sequence[str]) -> Figure:
    """The share of goals that the bot of a row scored against that of a column.

    Args:
        pairings: of `Matchups.pairings`.
        bots: in their order; beyond 30 they could not be read.
    """
    bots = list(bots)[:_MOST_BOTS]
    place = {bot: i for i, bot in enumerate(bots)}
    names = _short(bot_labels(bots))
    share: Any = np.full((len(bots), len(bots)), np.nan)
    text: Any = np.full(share.shape, "", object)
    named: Any = np.full(share.shape, None, object)
    shown: Any = pairings[pairings["first"].isin(bots) & pairings["second"].isin(bots)]
    for row in shown.to_dict("records"):
        i, j = place[row["first"]], place[row["second"]]
        if i == j:
            continue
        goals, conceded = row["goals"], row["conceded"]
        total = goals + conceded
        for a, b, own, other in ((i, j, goals, conceded), (j, i, conceded, goals)):
            share[a, b] = own / total if total else 0.5
            text[a, b] = f"{own} : {other} in {row['games']} games"
            named[a, b] = bots[a], bots[b], names[a], names[b]
    colours, _, _ = colour_scale(-1, 1)
    cells = {
        "type": "heatmap",
        "z": share,
        "text": text.tolist(),
        "customdata": named.tolist(),
        "texttemplate": "%{z:.0%}" if len(bots) <= 12 else None,
        "hovertemplate": "%{customdata[2]} against %{customdata[3]}<br>%{text}<br>"
        "%{z:.1%} of the goals<extra></extra>",
        "hoverongaps": False,
        "colorscale": colours,
        "zmin": 0,
        "zmax": 1,
        "xgap": 2,
        "ygap": 2,
        "colorbar": {"thickness": 10, "outlinewidth": 0, "tickformat": ".0%"},
    }
    axis: Any = {
        "tickvals": list(range(len(bots))),
        "ticktext": names,
        "showgrid": False,
        "automargin": True,
    }
    longest = max((len(name) for name in names), default=0)
    turned = -30 if longest * _LETTER > _MATRIX / max(len(bots), 1) else 0
    return figure(
        [cells],
        130 + _CELL * min(len(bots), 14),
        hovermode="closest",
        margin={"t": 60, "l": 10, "b": 10},
        xaxis=axis | {"side": "top", "tickangle": turned},
        yaxis=axis | {"autorange": "reversed"},
    )


def games_figure(games: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Each game's goals, the first bot's up and the second's down.

    Beyond 150 games a bar is the mean of several that were played one after another.
    """
    together = -(-len(games) // _MOST_BARS)
    starts = np.arange(0, len(games), together)
    counts = np.diff([*starts, len(games)])
    goals, conceded = (
        np.add.reduceat(games[name].to_numpy(np.float64), starts) / counts
        for name in ("goals", "conceded")
    )
    bars = [
        {
            "type": "bar",
            "x": starts + (counts + 1) / 2,
            "y": values,
            "name": name,
            "marker": {"color": TEAM_COLOURS[team]},
            "customdata": np.abs(values),
            "hovertemplate": "%{customdata:.3~g} goals",
        }
        for values, name, team in zip((goals, -conceded), _short(names), (0, 1), strict=True)
    ]
    each = {"dtick": 1} if len(games) <= 20 else {}
    said = "goals" if together == 1 else f"goals a game, mean of {together}"
    return figure(
        bars,
        280,
        barmode="relative",
        bargap=0.3,
        margin={"t": 40},
        xaxis={"title": axis_title("game"), "tickformat": "d"} | each,
        yaxis={"title": axis_title(said), "zeroline": True},
    )


def goals_figure(goals: pd.DataFrame, names: Sequence[str], seconds: float) -> Figure:
    """When in their games the two bots score, and how fast the ball is then."""
    if goals.empty:
        return note("No goal in these games", 260)
    width = max(seconds / 10, 1)
    speeds = np.arange(0, float(goals["ball_speed"].to_numpy().max()) + _SPEED_BIN, _SPEED_BIN)
    bars = []
    for name, team in zip(_short(names), (0, 1), strict=True):
        own = goals[goals["is_own"] == (team == 0)]
        counts, edges = np.histogram(own["seconds"], bins=10, range=(0, max(seconds, 1)))
        middles = (edges[:-1] + edges[1:]) / 2
        common: Any = {
            "type": "bar",
            "name": name,
            "legendgroup": str(team),
            "marker": {"color": TEAM_COLOURS[team]},
        }
        bars += [
            common
            | at(0)
            | {
                "x": middles,
                "y": counts,
                "text": [f"{clock(m - width / 2)} to {clock(m + width / 2)}" for m in middles],
                "textposition": "none",
                "hovertemplate": "%{text}: %{y} goals",
            },
            common
            | at(1)
            | {
                "x": speeds[:-1] + _SPEED_BIN / 2,
                "y": np.histogram(own["ball_speed"], bins=speeds)[0],
                "showlegend": False,
                "hovertemplate": "about %{x} uu/s: %{y} goals",
            },
        ]
    ticks = np.arange(0, seconds + 1, 60)
    times = {"tickvals": ticks, "ticktext": [clock(tick) for tick in ticks]}
    left, right = columns(2, 0.1)
    return figure(
        bars,
        260,
        barmode="group",
        margin={"t": 36},
        **panel(
            0,
            left,
            (0, 1),
            times | {"title": axis_title("time of the goal")},
            {"title": axis_title("goals")},
        ),
        **panel(1, right, (0, 1), {"title": axis_title("speed of the ball (uu/s)")}),
    )


def places_figure(maps: Sequence[tuple[str, np.ndarray, np.ndarray | None]]) -> Figure:
    """Where things were: seen from above, the bot that is meant attacking to the right.

    Args:
        maps: a title, shares of time [Y,X], and [N,2] places of goals, or None.
    """
    colours = [(0.0, rgba(_HEAT, 0)), (0.08, rgba(_HEAT, 0.4)), (0.3, rgba(_HEAT, 0.8))]
    colours.append((1.0, rgba(_HEAT, 1)))
    data, layout, titles = [], {}, []
    for place, (span, (name, shares, origins)) in enumerate(
        zip(columns(len(maps), 0.03), maps, strict=True)
    ):
        data += [trace | at(place) for trace in _map(shares, origins, colours)]
        titles.append(title(plain_text(name), span[0], 1.0))
        hidden: Any = {"visible": False, "constrain": "domain"}
        layout |= panel(
            place,
            span,
            (0, 1),
            hidden | {"range": [-6100, 6100]},
            hidden | {"range": [-4300, 4300], "scaleanchor": at(place)["xaxis"]},
        )
    return figure(
        data,
        300,
        hovermode="closest",
        annotations=titles,
        margin={"l": 6, "r": 6, "t": 34, "b": 6},
        **layout,
    )


def _map(shares: np.ndarray, origins: np.ndarray | None, colours: Any) -> list[dict[str, Any]]:
    top = float(np.quantile(shares[shares > 0], 0.99)) if (shares > 0).any() else 1.0
    y = np.linspace(-6000, 6000, shares.shape[0] + 1)
    x = np.linspace(-4096, 4096, shares.shape[1] + 1)
    outline = _outline()
    traces: list[dict[str, Any]] = [
        {
            "type": "heatmap",
            "z": np.float32(shares.T),
            "x": (y[:-1] + y[1:]) / 2,
            "y": (x[:-1] + x[1:]) / 2,
            "colorscale": colours,
            "zmin": 0,
            "zmax": top,
            "zsmooth": "best",
            "showscale": False,
            "hovertemplate": "%{z:.2%} of the time<extra></extra>",
        },
        {
            "x": outline[:, 1],
            "y": outline[:, 0],
            "mode": "lines",
            "line": {"color": MUTED, "width": 1.3},
            "hoverinfo": "skip",
            "showlegend": False,
        },
    ]
    if origins is not None and len(origins):
        traces.append(
            {
                "x": origins[:, 1],
                "y": origins[:, 0],
                "mode": "markers",
                "marker": {
                    "symbol": "star",
                    "size": 9,
                    "color": "#762a83",
                    "line": {"color": "white", "width": 1},
                },
                "hovertemplate": "goal, last touched here<extra></extra>",
                "showlegend": False,
            }
        )
    return traces


def ratings_figure(ratings: pd.DataFrame, bots: Sequence[str]) -> Figure:
    """Ratings with their intervals of two sigma, the best on top."""
    names = _short(bot_labels(bots))
    newest = ratings.set_index("bot")
    shown = [bot for bot in bots if bot in newest.index][:_MOST_BOTS][::-1]
    if not shown:
        return note("Ratings appear here once a tournament has been played", 90)
    chosen: Any = newest.loc[shown]
    points: Any = {
        "x": chosen["mu"].to_numpy(),
        "y": list(range(len(shown))),
        "error_x": {
            "array": 2 * chosen["sigma"].to_numpy(),
            "thickness": 1.5,
            "width": 4,
        },
        "mode": "markers",
        "marker": {"size": 9, "color": MUTED},
        "text": [name for bot, name in zip(bots, names, strict=True) if bot in shown][::-1],
        "hovertemplate": "%{text}: %{x:.1f}<extra></extra>",
    }
    names = {"tickvals": points["y"], "ticktext": points["text"]}
    return figure(
        [points],
        90 + 26 * len(shown),
        hovermode="closest",
        margin={"t": 10, "l": 10},
        xaxis={"title": axis_title("rating, ± 2 sigma"), "showgrid": True},
        yaxis=names | {"automargin": True, "range": [-0.6, len(shown) - 0.4]},
    )


def _outline() -> np.ndarray:
    near, far = BACK_WALL_Y - CORNER_CUT, SIDE_WALL_X - CORNER_CUT
    half = np.array(
        [(SIDE_WALL_X, near), (far, BACK_WALL_Y), (-far, BACK_WALL_Y), (-SIDE_WALL_X, near)]
    )
    return np.concatenate([half, -half, half[:1]])


def _short(names: Sequence[str]) -> list[str]:
    """Names cut to what has room, but for those that would be equal then."""
    cut = [name if len(name) <= 26 else "…" + name[-25:] for name in names]
    often = Counter(cut)
    return [
        plain_text(name if often[short] > 1 else short)
        for name, short in zip(names, cut, strict=True)
    ]
