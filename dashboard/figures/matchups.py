"""Bots against one another, drawn."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ...rewards.drawing import MUTED, NEUTRAL, TEAM_COLOURS, colour_scale
from ...sim.constants import BACK_WALL_Y, CORNER_CUT, SIDE_WALL_X
from .style import frame, note
from .timeline import clock

_CELL = 44  # pixels
_MOST_BOTS = 30
_MOST_BARS = 150
_SPEED_BIN = 250.0  # uu/s


def matrix_figure(pairings: pd.DataFrame, bots: Sequence[str]) -> go.Figure:
    """The share of goals that the bot of a row scored against that of a column.

    Args:
        pairings: of `Matchups.pairings`.
        bots: in their order; beyond 30 they could not be read.
    """
    bots = list(bots)[:_MOST_BOTS]
    place = {bot: i for i, bot in enumerate(bots)}
    share = np.full((len(bots), len(bots)), np.nan)
    text = np.full(share.shape, "", object)
    for row in pairings.to_dict("records"):
        i, j = place.get(row["first"]), place.get(row["second"])
        if i is None or j is None or i == j:
            continue
        goals, conceded = row["goals"], row["conceded"]
        total = goals + conceded
        for a, b, own, other in ((i, j, goals, conceded), (j, i, conceded, goals)):
            share[a, b] = own / total if total else 0.5
            text[a, b] = f"{own} : {other} in {row['games']} games"
    colours, _, _ = colour_scale(-1, 1)
    names = [_short(bot) for bot in bots]
    figure = go.Figure(
        go.Heatmap(
            z=share,
            x=list(range(len(bots))),
            y=list(range(len(bots))),
            text=text,
            customdata=[[[row, column] for column in bots] for row in bots],
            texttemplate="%{z:.0%}" if len(bots) <= 12 else None,
            hovertemplate="%{customdata[0]} against %{customdata[1]}<br>%{text}<br>"
            "%{z:.1%} of the goals<extra></extra>",
            hoverongaps=False,
            colorscale=colours,
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=2,
            colorbar={"thickness": 10, "outlinewidth": 0, "tickformat": ".0%"},
        )
    )
    frame(figure, 130 + _CELL * min(len(bots), 14), hover="closest")
    ticks = {"tickvals": list(range(len(bots))), "ticktext": names, "showgrid": False}
    figure.update_xaxes(**ticks, side="top", tickangle=-30 if len(bots) > 5 else 0)
    figure.update_yaxes(**ticks, autorange="reversed")
    figure.update_layout(margin={"t": 60, "l": 10, "b": 10})
    return figure


def games_figure(games: pd.DataFrame, pair: tuple[str, str]) -> go.Figure:
    """Each game's goals, the first bot's up and the second's down.

    Beyond 150 games a bar is the mean of several that were played one after another.
    """
    figure = go.Figure()
    together = -(-len(games) // _MOST_BARS)
    starts = np.arange(0, len(games), together)
    counts = np.diff([*starts, len(games)])
    goals, conceded = (
        np.add.reduceat(games[name].to_numpy(np.float64), starts) / counts
        for name in ("goals", "conceded")
    )
    numbers = starts + (counts + 1) / 2
    for values, bot, team in ((goals, pair[0], 0), (-conceded, pair[1], 1)):
        figure.add_trace(
            go.Bar(
                x=numbers,
                y=values,
                name=_short(bot),
                marker={"color": TEAM_COLOURS[team]},
                customdata=np.abs(values),
                hovertemplate="%{customdata:.3~g} goals",
            )
        )
    frame(figure, 280)
    figure.update_layout(barmode="relative", bargap=0.3, margin={"t": 40})
    figure.update_xaxes(title={"text": "game", "font": {"size": 11}}, tickformat="d")
    if len(games) <= 20:
        figure.update_xaxes(dtick=1)
    title = "goals" if together == 1 else f"goals a game, mean of {together}"
    figure.update_yaxes(title={"text": title, "font": {"size": 11}}, zeroline=True)
    return figure


def goals_figure(goals: pd.DataFrame, pair: tuple[str, str], seconds: float) -> go.Figure:
    """When in their games the two bots score, and how fast the ball is then."""
    figure = make_subplots(1, 2, horizontal_spacing=0.1)
    if goals.empty:
        return note(frame(go.Figure(), 260), "No goal in these games")
    width = max(seconds / 10, 1)
    speeds = np.arange(0, float(goals["ball_speed"].to_numpy().max()) + _SPEED_BIN, _SPEED_BIN)
    for bot, team in zip(pair, (0, 1), strict=True):
        own = goals[goals["scorer"] == bot]
        counts, edges = np.histogram(own["seconds"], bins=10, range=(0, max(seconds, 1)))
        middles = (edges[:-1] + edges[1:]) / 2
        common = {"name": _short(bot), "legendgroup": bot, "marker": {"color": TEAM_COLOURS[team]}}
        figure.add_trace(
            go.Bar(
                x=middles,
                y=counts,
                **common,
                text=[f"{clock(m - width / 2)} to {clock(m + width / 2)}" for m in middles],
                textposition="none",
                hovertemplate="%{text}: %{y} goals",
            ),
            row=1,
            col=1,
        )
        figure.add_trace(
            go.Bar(
                x=speeds[:-1] + _SPEED_BIN / 2,
                y=np.histogram(own["ball_speed"], bins=speeds)[0],
                **common,
                showlegend=False,
                hovertemplate="about %{x} uu/s: %{y} goals",
            ),
            row=1,
            col=2,
        )
    frame(figure, 260)
    figure.update_layout(barmode="group", margin={"t": 36})
    ticks = np.arange(0, seconds + 1, 60)
    figure.update_xaxes(
        row=1,
        col=1,
        tickvals=ticks,
        ticktext=[clock(tick) for tick in ticks],
        title={"text": "time of the goal", "font": {"size": 11}},
    )
    figure.update_xaxes(
        row=1, col=2, title={"text": "speed of the ball (uu/s)", "font": {"size": 11}}
    )
    figure.update_yaxes(row=1, col=1, title={"text": "goals", "font": {"size": 11}})
    return figure


def places_figure(maps: Sequence[tuple[str, np.ndarray, np.ndarray | None]]) -> go.Figure:
    """Where things were: seen from above, the bot that is meant attacking to the right.

    Args:
        maps: a title, shares of time [Y,X], and [N,2] places of goals, or None.
    """
    figure = make_subplots(
        1, len(maps), subplot_titles=[title for title, _, _ in maps], horizontal_spacing=0.03
    )
    colours = [(0.0, NEUTRAL), (0.08, "#d9f0d3"), (0.3, "#5aae61"), (1.0, "#00441b")]
    for column, (_, shares, origins) in enumerate(maps, 1):
        top = float(np.quantile(shares[shares > 0], 0.99)) if (shares > 0).any() else 1.0
        y = np.linspace(-6000, 6000, shares.shape[0] + 1)
        x = np.linspace(-4096, 4096, shares.shape[1] + 1)
        figure.add_trace(
            go.Heatmap(
                z=shares.T,
                x=(y[:-1] + y[1:]) / 2,
                y=(x[:-1] + x[1:]) / 2,
                colorscale=colours,
                zmin=0,
                zmax=top,
                zsmooth="best",
                showscale=False,
                hovertemplate="%{z:.2%} of the time<extra></extra>",
            ),
            row=1,
            col=column,
        )
        outline = _outline()
        figure.add_trace(
            go.Scatter(
                x=outline[:, 1],
                y=outline[:, 0],
                mode="lines",
                line={"color": MUTED, "width": 1.3},
                hoverinfo="skip",
                showlegend=False,
            ),
            row=1,
            col=column,
        )
        if origins is not None and len(origins):
            figure.add_trace(
                go.Scatter(
                    x=origins[:, 1],
                    y=origins[:, 0],
                    mode="markers",
                    marker={
                        "symbol": "star",
                        "size": 9,
                        "color": "#762a83",
                        "line": {"color": "white", "width": 1},
                    },
                    hovertemplate="goal, last touched here<extra></extra>",
                    showlegend=False,
                ),
                row=1,
                col=column,
            )
    frame(figure, 300, hover="closest")
    figure.update_xaxes(visible=False, range=[-6100, 6100], constrain="domain")
    figure.update_yaxes(visible=False, range=[-4300, 4300], constrain="domain")
    for i in range(1, len(maps) + 1):
        figure.update_yaxes(scaleanchor=f"x{i if i > 1 else ''}", row=1, col=i)
    figure.update_layout(margin={"l": 6, "r": 6, "t": 34, "b": 6})
    return figure


def ratings_figure(ratings: pd.DataFrame, bots: Sequence[str]) -> go.Figure:
    """Ratings with their intervals of two sigma, the best on top."""
    newest = {row["bot"]: row for row in ratings.to_dict("records")}
    chosen = [newest[bot] for bot in bots if bot in newest][:_MOST_BOTS][::-1]
    figure = go.Figure(
        go.Scatter(
            x=[row["mu"] for row in chosen],
            y=[_short(row["bot"]) for row in chosen],
            error_x={"array": [2 * row["sigma"] for row in chosen], "thickness": 1.5, "width": 4},
            mode="markers",
            marker={"size": 9, "color": MUTED},
            hovertemplate="%{y}: %{x:.1f}<extra></extra>",
        )
    )
    frame(figure, 90 + 26 * len(chosen), hover="closest")
    figure.update_xaxes(title={"text": "rating, ± 2 sigma", "font": {"size": 11}}, showgrid=True)
    figure.update_layout(margin={"t": 10, "l": 10})
    return figure


def _outline() -> np.ndarray:
    near, far = BACK_WALL_Y - CORNER_CUT, SIDE_WALL_X - CORNER_CUT
    half = np.array(
        [(SIDE_WALL_X, near), (far, BACK_WALL_Y), (-far, BACK_WALL_Y), (-SIDE_WALL_X, near)]
    )
    return np.concatenate([half, -half, half[:1]])


def _short(bot: str) -> str:
    return bot if len(bot) <= 26 else "…" + bot[-25:]
