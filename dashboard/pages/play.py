"""Play: a game to watch, and what a reward pays a player of it, moment by moment."""

from typing import Any, get_args

import dash_mantine_components as dmc
import numpy as np
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from flask import Response

from ...rewards.evaluate import AMOUNTS
from ...sim.shell import shell_line
from .. import ids
from ..data.errors import DataError
from ..data.recordings import Game, pack
from ..data.sources import Sources
from ..data.specs import DEFAULT
from ..figures.style import Figure, note
from ..figures.timeline import Style, timeline_figure
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
    labelled,
    link,
    number,
    problem,
    segments,
)

_PAGE = "play"
_ID = ids.PlayPage
_STYLES = get_args(Style)
AMOUNT_NAMES = {
    "reward": "after team spirit",
    "undistributed": "earned itself",
    "weighted": "weighted",
    "value": "raw",
}
_MAX_GAMES = 100_000
_SETTINGS = (
    Setting("game", _ID.GAME, "0"),
    Setting("source", _ID.SOURCE, ""),
    Setting("spec", _ID.SPEC, DEFAULT),
    Setting("player", _ID.PLAYER, ""),
    Setting("amount", _ID.AMOUNT, "reward"),
    Setting("style", _ID.STYLE, "rate"),
)


def page(sources: Sources) -> Page:
    """The page."""
    return Page("/play", "Play", lambda query: _layout(sources, query))


def register(app: Dash, sources: Sources) -> None:
    """Its callbacks, and the way that a game takes to the browser."""
    keep_in_url(app, _PAGE, _SETTINGS)
    app.server.add_url_rule(
        "/api/play/<key>/<int:game>", "play", lambda key, game: _send(sources, key, game)
    )
    app.clientside_callback(
        ClientsideFunction("lucyPlay", "open"),
        Output(_ID.DONE, "data"),
        Input(_ID.STAGE + "-address", "data"),
    )

    @app.callback(
        Output(ids.URL, "href", allow_duplicate=True),
        Output(_ID.NOTICE, "children"),
        Input(_ID.UPLOAD, "contents"),
        State(_ID.UPLOAD, "filename"),
        State(_ID.SPEC, "value"),
        prevent_initial_call=True,
    )
    def drop(content: str | None, name: str | None, spec: str | None) -> Any:
        if not content:
            return no_update, no_update
        try:
            key = sources.uploads.add(name or "replay", content)
        except DataError as error:
            return no_update, problem(str(error))
        return link("/play", source=f"u{key}", spec=spec), None

    @app.callback(
        Output(_ID.STAGE + "-address", "data"),
        Output(_ID.GAME, "data"),
        Output(_ID.GAME, "value"),
        Output(_ID.PLAYER, "data"),
        Output(_ID.PLAYER, "value"),
        Output(_ID.NOTICE, "children", allow_duplicate=True),
        Input(_ID.SOURCE, "value"),
        Input(_ID.GAME, "value"),
        State(_ID.PLAYER, "value"),
        State(_ID.STAGE + "-address", "data"),
        prevent_initial_call=True,
    )
    def change_game(source: str, index: str, player: str, before: str) -> Any:
        try:
            game = sources.recordings.game(source, int(index or 0))
        except DataError as error:
            return "", no_update, no_update, no_update, no_update, problem(str(error))
        now = _address(game)
        players = _players(game)
        known = [entry["value"] for entry in players]
        return (
            now if now != before else no_update,
            _games(game),
            str(game.number),
            players,
            player if player in known else known[0],
            None,
        )

    @app.callback(
        Output(_ID.FIGURE, "figure"),
        Output(_ID.TIMELINE_NOTICE, "children"),
        Input(_ID.STAGE + "-address", "data"),
        Input(_ID.SPEC, "value"),
        Input(_ID.PLAYER, "value"),
        Input(_ID.AMOUNT, "value"),
        Input(_ID.STYLE, "value"),
        State(_ID.SOURCE, "value"),
        State(_ID.GAME, "value"),
        State(_ID.AT, "data"),
        prevent_initial_call=True,
    )
    def draw(
        _: str, spec: str, player: str, amount: str, style: str, source: str, index: str, steps: int
    ) -> Any:
        try:
            game = sources.recordings.game(source, int(index or 0))
            return _timeline(sources, game, spec, player, amount, style, steps), None
        except DataError as error:
            return note("No timeline"), problem(str(error))

    @app.callback(
        Output(_ID.DOWNLOAD, "data"),
        Input(_ID.CSV, "n_clicks"),
        State(_ID.SOURCE, "value"),
        State(_ID.GAME, "value"),
        State(_ID.SPEC, "value"),
        State(_ID.PLAYER, "value"),
        State(_ID.AMOUNT, "value"),
        State(_ID.AT, "data"),
        prevent_initial_call=True,
    )
    def export(
        _: int, source: str, index: str, spec: str, player: str, amount: str, steps: int
    ) -> Any:
        game = sources.recordings.game(source, int(index or 0))
        names, paid = _paid(sources, game, spec, _car(game, player), amount, steps)
        seconds = np.arange(len(paid)) * game.step_seconds
        lines = [",".join(["seconds", *names])]
        lines += [
            ",".join(f"{value:.7g}" for value in row) for row in np.column_stack([seconds, paid])
        ]
        return {"content": "\n".join(lines) + "\n", "filename": "lucy-play.csv"}


def _send(sources: Sources, key: str, index: int) -> Response:
    try:
        body = pack(sources.recordings.game(key, min(index, _MAX_GAMES)))
    except DataError as error:
        return Response(str(error), 404, mimetype="text/plain")
    return Response(
        body, mimetype="application/octet-stream", headers={"Cache-Control": "no-store"}
    )


def _layout(sources: Sources, query: Query) -> Component:
    found = sources.recordings.sources()
    if not found:
        return html.Div(
            [
                empty(
                    "No recorded game yet",
                    "Record some, turn replays into recordings, or drop a .replay file below.",
                    shell_line(
                        *("lucy", "match", sources.folder / "lucy-cpu", "chaser"),
                        *("--record", sources.folder / "games.npz", "--store", sources.store.shown),
                    ),
                    # Not in quotes: the shell, or else Lucy, finds the files
                    f"lucy replays import *.replay {shell_line('-o', sources.folder / 'replays')}",
                ),
                _drop(),
                html.Div(id=_ID.NOTICE),
                dcc.Store(id=_ID.SPEC),
            ]
        )
    key = query.get("source") or found[0].key
    index = number(query, "game", 0, _MAX_GAMES, 0)
    spec = choice(query, "spec", sources.specs.names(), DEFAULT)
    amount = choice(query, "amount", AMOUNTS, "reward")
    style = choice(query, "style", _STYLES, "rate")
    steps = number(query, "steps", 0, 10**12, 0)
    notice: Any = None
    game: Game | None = None
    timeline = note("No timeline")
    player = query.get("player", "")
    try:
        game = sources.recordings.game(key, index)
        players = [entry["value"] for entry in _players(game)]
        player = player if player in players else players[0]
        timeline = _timeline(sources, game, spec, player, amount, style, steps)
    except DataError as error:
        notice = problem(str(error))
    return html.Div(
        [
            dmc.VisuallyHidden(dmc.Title("Play", order=1)),
            dcc.Download(id=_ID.DOWNLOAD),
            dcc.Store(id=_ID.AT, data=steps),
            dcc.Store(id=_ID.DONE),
            dcc.Store(id=_ID.STAGE + "-address", data=_address(game) if game else ""),
            *kept(_PAGE, _SETTINGS),
            dmc.Group(
                [
                    dmc.Select(
                        id=_ID.SOURCE,
                        label="Recording",
                        data=[
                            {"value": source.key, "label": source.label[:120]} for source in found
                        ],
                        value=key,
                        searchable=True,
                        limit=MOST_LISTED,
                        allowDeselect=False,
                        w=360,
                        size="sm",
                    ),
                    dmc.Select(
                        id=_ID.GAME,
                        label="Game",
                        data=_games(game) if game else [],
                        value=str(game.number) if game else None,
                        allowDeselect=False,
                        w=230,
                        size="sm",
                    ),
                    _drop(),
                ],
                align="end",
                mb="sm",
            ),
            html.Div(notice, id=_ID.NOTICE),
            card(html.Div(id=_ID.STAGE), mb="md"),
            card(
                dmc.Group(
                    [
                        dmc.Select(
                            id=_ID.SPEC,
                            label="Paid by",
                            data=sources.specs.names(),
                            value=spec,
                            allowDeselect=False,
                            w=170,
                            size="sm",
                        ),
                        dmc.Select(
                            id=_ID.PLAYER,
                            label="to",
                            data=_players(game) if game else [],
                            value=player if game else None,
                            allowDeselect=False,
                            w=200,
                            size="sm",
                        ),
                        segments(_ID.AMOUNT, amount, AMOUNT_NAMES, "Which amount"),
                        segments(
                            _ID.STYLE, style, {"rate": "a second", "sum": "adding up"}, "How shown"
                        ),
                        csv_button(_ID.CSV),
                    ],
                    align="end",
                    mb="xs",
                ),
                html.Div(id=_ID.TIMELINE_NOTICE),
                html.Div(
                    graph(_ID.FIGURE, timeline, "What the player is paid", "timeline"),
                    id=_ID.TIMELINE,
                ),
                hint("Click the timeline to jump there; drag to zoom, double-click to zoom out."),
            ),
        ]
    )


def _drop() -> Component:
    return html.Div(
        dcc.Upload(
            html.Button("Drop a .replay file here, or click", type="button", className="drop"),
            id=_ID.UPLOAD,
            accept=".replay",
            max_size=32 * 2**20,
            multiple=False,
        ),
        **labelled("Your own game"),
        role="group",
    )


def _address(game: Game) -> str:
    return f"/api/play/{game.source.key}/{game.number}"


def _games(game: Game) -> list[dict[str, str]]:
    return [
        {
            "value": str(i),
            "label": f"{i + 1} of {game.games}"
            + (f": {game.score[0]} : {game.score[1]}" if i == game.number else ""),
        }
        for i in range(game.games)
    ]


def _players(game: Game) -> list[dict[str, str]]:
    return [
        {
            "value": str(car),
            "label": f"{game.players[car] or 'car'} ({game.team(int(car))})",
        }
        for car in game.cars
    ]


def _car(game: Game, player: str) -> int:
    cars = {str(car): int(car) for car in game.cars}
    return cars.get(player, int(game.cars[0]))


def _paid(
    sources: Sources, game: Game, spec: str, car: int, amount: str, steps: int
) -> tuple[tuple[str, ...], np.ndarray]:
    evaluation = sources.recordings.evaluation(game, spec, steps)
    chosen = amount if amount in AMOUNTS else "reward"
    return evaluation.names, getattr(evaluation.decomposition, chosen)[:, car]


def _timeline(
    sources: Sources, game: Game, spec: str, player: str, amount: str, style: str, steps: int
) -> Figure:
    car = _car(game, player)
    names, paid = _paid(sources, game, spec, car, amount, steps)
    chosen = "sum" if style == "sum" else "rate"
    figure = timeline_figure(names, paid, game.step_seconds, game.events, car, chosen)
    # A zoom is of this game
    figure["layout"]["uirevision"] = f"{_address(game)} {spec} {chosen}"
    return figure
