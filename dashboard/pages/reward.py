"""Reward: where a training's reward came from, and what a reward pays in a recorded game."""

from typing import Any

import dash_mantine_components as dmc
import numpy as np
import pandas as pd
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from ...agent.store.readers import RunSummary
from ...sim.names import run_folder
from ...sim.shell import shell_line
from .. import ids
from ..data.decomposition import balance
from ..data.errors import DataError
from ..data.recordings import Game
from ..data.runs import status
from ..data.sources import Sources
from ..data.specs import DEFAULT
from ..figures.shares import STATISTIC_NAMES, balance_figure, correlation_figure, shares_figure
from ..figures.style import swatch
from ..parts import (
    MOST_LISTED,
    Page,
    Query,
    Setting,
    card,
    choice,
    csv_button,
    empty,
    graph,
    hint,
    keep_in_url,
    kept,
    link,
    number,
    plain,
    problem,
    segments,
    signed,
)

_PAGE = "reward"
_ID = ids.RewardPage
_EVERYBODY = "all"
_SETTINGS = (
    Setting("run", _ID.RUN, ""),
    Setting("statistic", _ID.STATISTIC, "share"),
    Setting("source", _ID.SOURCE, ""),
    Setting("game", _ID.GAME, "0"),
    Setting("spec", _ID.SPEC, DEFAULT),
    Setting("who", _ID.EPISODE, _EVERYBODY),
)


def page(sources: Sources) -> Page:
    """The page."""
    return Page("/reward", "Reward", lambda query: _layout(sources, query))


def register(app: Dash, sources: Sources) -> None:
    """Its callbacks."""
    keep_in_url(app, _PAGE, _SETTINGS)

    @app.callback(
        Output(_ID.SHOWN, "data"),
        Input(ids.TICK, "n_intervals"),
        State(_ID.RUN, "value"),
        State(_ID.SHOWN, "data"),
        prevent_initial_call=True,
    )
    def follow(_: int, run: str | None, before: Any) -> Any:
        try:
            now: Any = _token(sources.runs.get(int(run or 0)))
        except DataError as error:
            now = str(error)
        return no_update if now == before else now

    @app.callback(
        Output(_ID.FIGURE, "figure"),
        Output(_ID.TABLE, "children"),
        Input(_ID.RUN, "value"),
        Input(_ID.STATISTIC, "value"),
        Input(_ID.SHOWN, "data"),
        prevent_initial_call=True,
    )
    def draw(run: str | None, statistic: str, _: Any) -> Any:
        if not run:
            return no_update, no_update
        try:
            statistics = sources.runs.components(int(run))
        except DataError as error:
            return no_update, problem(str(error))
        chosen = statistic if statistic in STATISTIC_NAMES else "share"
        return shares_figure(statistics, chosen), _table(statistics)

    @app.callback(
        Output(_ID.EPISODE_LINK, "children"),
        Input(_ID.FIGURE, "clickData"),
        State(_ID.RUN, "value"),
        State(_ID.SOURCE, "value"),
        prevent_initial_call=True,
    )
    def to_episode(click: Any, run: str, source: str | None) -> Any:
        if not click or not click.get("points"):
            return no_update
        steps = int(click["points"][0]["x"])
        return _episode_link(sources, int(run), steps, source)

    @app.callback(
        Output(_ID.BALANCE, "children"),
        Output(_ID.GAME, "data"),
        Output(_ID.GAME, "value"),
        Output(_ID.EPISODE, "data"),
        Output(_ID.EPISODE, "value"),
        Input(_ID.SOURCE, "value"),
        Input(_ID.GAME, "value"),
        Input(_ID.SPEC, "value"),
        Input(_ID.EPISODE, "value"),
        prevent_initial_call=True,
    )
    def score(source: str, index: str, spec: str, who: str) -> Any:
        try:
            game = sources.recordings.game(source, int(index or 0))
            people = _people(game)
            who = who if who in [entry["value"] for entry in people] else _EVERYBODY
            shown = _balance(sources, game, spec, who)
        except DataError as error:
            return problem(str(error)), no_update, no_update, no_update, no_update
        return shown, _games(game), str(game.number), people, who

    @app.callback(
        Output(_ID.DOWNLOAD, "data"),
        Input(_ID.CSV, "n_clicks"),
        State(_ID.RUN, "value"),
        prevent_initial_call=True,
    )
    def export(_: int, run: str) -> Any:
        statistics = sources.runs.components(int(run))
        return dcc.send_data_frame(statistics.to_csv, f"lucy-reward-{run}.csv", index=False)


def _layout(sources: Sources, query: Query) -> Component:
    try:
        runs = sources.runs.summaries()
        training: Any = _training(sources, query) if runs else None
    except DataError as error:
        training = problem(str(error))
    recorded = _recorded(sources, query)
    if training is None and recorded is None:
        return empty(
            "Nothing that was paid yet",
            "A training shows here what each component paid over its steps, and a recorded game "
            "what any reward would pay in it.",
            shell_line(
                *("lucy", "train", "--preset", "lucy-cpu"), "--run-dir", sources.folder / "lucy-cpu"
            ),
        )
    return html.Div(
        [
            dmc.VisuallyHidden(dmc.Title("Reward decomposition", order=1)),
            *kept(_PAGE, _SETTINGS),
            dcc.Download(id=_ID.DOWNLOAD),
            training,
            recorded,
        ]
    )


def _training(sources: Sources, query: Query) -> Component:
    runs = sources.runs.summaries()
    run = number(query, "run", 0, 10**11, runs[0].id)
    summary = sources.runs.get(run)
    statistic = choice(query, "statistic", tuple(STATISTIC_NAMES), "share")
    statistics = sources.runs.components(run)
    return card(
        dcc.Store(id=_ID.SHOWN, data=_token(summary)),
        dmc.Group(
            [
                dmc.Select(
                    id=_ID.RUN,
                    label="Run",
                    data=[{"value": str(r.id), "label": f"{r.name} #{r.id}"} for r in runs],
                    value=str(run),
                    searchable=True,
                    limit=MOST_LISTED,
                    allowDeselect=False,
                    w=220,
                    size="sm",
                ),
                segments(
                    _ID.STATISTIC,
                    statistic,
                    {
                        "share": "Share",
                        "mean": "Paid",
                        "spread": "Spread",
                        "value": "Raw",
                        "fired": "Steps that pay",
                    },
                    "Which statistic",
                ),
                csv_button(_ID.CSV),
                html.Div(
                    _episode_link(sources, run, summary.steps, query.get("source")),
                    id=_ID.EPISODE_LINK,
                ),
            ],
            align="end",
            mb="xs",
        ),
        graph(
            _ID.FIGURE, shares_figure(statistics, statistic), "What each component paid", "reward"
        ),
        hint("Click a point to see an episode with the reward as it stood then."),
        html.Div(_table(statistics), id=_ID.TABLE, className="scroll"),
        title="Over the training",
        mb="md",
    )


def _token(summary: RunSummary) -> list[Any]:
    """Changes when there is something new to see of a run."""
    return [summary.id, summary.steps, status(summary)]


def _episode_link(sources: Sources, run: int, steps: int, source: str | None) -> Any:
    """The way to the timeline of an episode, scored by the run's reward after so many steps."""
    found = sources.recordings.sources()
    if not found:
        return None
    folder = sources.runs.get(run).directory
    own = [one.key for one in found if folder in map(run_folder, one.names)]
    reward = (sources.runs.config(run).get("environment") or {}).get("reward")
    spec = reward if reward in sources.specs.names() else None
    key = own[0] if own else source or found[0].key
    return dcc.Link(
        f"An episode, as paid after {steps:,} steps →",
        href=link("/play", source=key, spec=spec, steps=steps),
    )


def _table(statistics: pd.DataFrame) -> Any:
    """The newest iteration in numbers, the largest share first."""
    if statistics.empty:
        return None
    newest: Any = statistics[statistics["steps"] == statistics["steps"].max()].reset_index(
        drop=True
    )
    order = np.argsort(-np.nan_to_num(newest["share"].to_numpy(np.float64)))
    rows = newest.to_dict("records")
    head = ["Component", "share", "paid a step", "spread", "raw", "steps up", "steps down"]
    body = []
    for i in order.tolist():
        row = rows[i]
        body.append(
            html.Tr(
                [
                    html.Td(
                        [
                            html.Span(className="swatch", style=swatch(i)),
                            row["component"],
                        ]
                    ),
                    html.Td(f"{row['share']:.1%}"),
                    html.Td(signed(row["mean"])),
                    html.Td(plain(row["spread"])),
                    html.Td(signed(row["value"])),
                    html.Td(f"{row['positive']:,.0f}"),
                    html.Td(f"{row['negative']:,.0f}"),
                ]
            )
        )
    return html.Table(
        [html.Thead(html.Tr([html.Th(name) for name in head])), html.Tbody(body)],
        className="plain",
    )


def _recorded(sources: Sources, query: Query) -> Component | None:
    found = sources.recordings.sources()
    if not found:
        return None
    key = query.get("source") or found[0].key
    spec = choice(query, "spec", sources.specs.names(), DEFAULT)
    who, game, shown = query.get("who", _EVERYBODY), None, None
    try:
        game = sources.recordings.game(key, number(query, "game", 0, 100_000, 0))
        who = who if who in [entry["value"] for entry in _people(game)] else _EVERYBODY
        shown = _balance(sources, game, spec, who)
    except DataError as error:
        shown = problem(str(error))
    return card(
        dmc.Group(
            [
                dmc.Select(
                    id=_ID.SOURCE,
                    label="Recording",
                    data=[{"value": s.key, "label": s.label[:120]} for s in found],
                    value=key,
                    searchable=True,
                    limit=MOST_LISTED,
                    allowDeselect=False,
                    w=340,
                    size="sm",
                ),
                dmc.Select(
                    id=_ID.GAME,
                    label="Game",
                    data=_games(game) if game else [],
                    value=str(game.number) if game else None,
                    allowDeselect=False,
                    w=120,
                    size="sm",
                ),
                dmc.Select(
                    id=_ID.SPEC,
                    label="Paid by",
                    data=sources.specs.names(),
                    value=spec,
                    allowDeselect=False,
                    w=160,
                    size="sm",
                ),
                dmc.Select(
                    id=_ID.EPISODE,
                    label="to",
                    data=_people(game) if game else [],
                    value=who,
                    allowDeselect=False,
                    w=200,
                    size="sm",
                ),
            ],
            align="end",
            mb="sm",
        ),
        html.Div(shown, id=_ID.BALANCE),
        title="In a recorded game",
    )


def _games(game: Game) -> list[dict[str, str]]:
    return [{"value": str(i), "label": f"{i + 1} of {game.games}"} for i in range(game.games)]


def _people(game: Game) -> list[dict[str, str]]:
    teams = [
        {"value": _EVERYBODY, "label": "everybody"},
        {"value": "blue", "label": f"blue: {game.blue[:60]}"},
        {"value": "orange", "label": f"orange: {game.orange[:60]}"},
    ]
    players = [
        {"value": str(car), "label": f"{game.players[car] or 'car'} ({game.team(int(car))})"}
        for car in game.cars
    ]
    return teams + players


def _cars(game: Game, who: str) -> np.ndarray:
    if who in ("blue", "orange"):
        return np.array([car for car in game.cars if game.team(int(car)) == who], np.int64)
    return np.array([int(who)]) if who.isdecimal() else game.cars


def _balance(sources: Sources, game: Game, spec: str, who: str) -> Component:
    reward = sources.specs.get(spec)
    evaluation = sources.recordings.evaluation(game, spec)
    result = balance(reward, game, evaluation, _cars(game, who))
    rows = [
        html.Tr(
            [
                html.Td(
                    [
                        html.Span(className="swatch", style=swatch(i)),
                        row["component"],
                    ]
                ),
                html.Td(row["kind"]),
                *(html.Td(signed(row[name])) for name in _AMOUNTS),
                html.Td(f"{row['share']:.1%}"),
            ]
        )
        for i, row in enumerate(result.table.to_dict("records"))
    ]
    head = ["Component", "kind", *_AMOUNTS.values(), "share"]
    return html.Div(
        [
            hint(
                f"{result.car_minutes:.1f} car-minutes. Raw and weighted are means of a step; the "
                "rest is a car and minute: what it gained and lost itself (potentials as "
                "shaping), and what it was paid after team spirit."
            ),
            html.Div(
                html.Table(
                    [html.Thead(html.Tr([html.Th(name) for name in head])), html.Tbody(rows)],
                    className="plain",
                ),
                className="scroll",
            ),
            dmc.SimpleGrid(
                [
                    graph(
                        "reward-balance-figure",
                        balance_figure(result.table),
                        "Gains and losses by component",
                        "balance",
                    ),
                    html.Div(
                        [
                            graph(
                                _ID.CORRELATION,
                                correlation_figure(result.correlations),
                                "Which components pay at the same moments",
                                "correlation",
                            ),
                            hint("Correlation of what the components pay, step by step."),
                        ]
                    ),
                ],
                cols={"base": 1, "lg": 2},
                mt="md",
            ),
            dcc.Link(
                "Watch it, moment by moment →",
                href=link("/play", source=game.source.key, game=game.number, spec=spec),
            ),
        ]
    )


_AMOUNTS = {
    "raw": "raw",
    "weighted": "weighted",
    "gain": "gained",
    "loss": "lost",
    "earned": "earned",
    "paid": "paid",
}
