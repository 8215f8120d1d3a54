"""Matchups: how the bots of a mode stand, and one pairing opened."""

from collections.abc import Sequence
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
import pandas as pd
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from ...sim.names import bot_labels, distinct
from ...sim.shell import shell_line
from .. import ids
from ..data.errors import DataError
from ..data.matchups import MODES, Opened, Standing, standings
from ..data.sources import Sources
from ..data.specs import DEFAULT
from ..figures.matchups import (
    games_figure,
    goals_figure,
    matrix_figure,
    places_figure,
    ratings_figure,
)
from ..figures.shares import sides_figure
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
    problem,
    segments,
    table_height,
)

_PAGE = "matchups"
_ID = ids.MatchupsPage
_BETWEEN = "\n"  # two bots' names in one value; no name has it
_SETTINGS = (
    Setting("mode", _ID.MODE, ""),
    Setting("pair", _ID.PAIR, ""),
    Setting("spec", _ID.SPEC, DEFAULT),
)


def page(sources: Sources) -> Page:
    """The page."""
    return Page("/matchups", "Matchups", lambda query: _layout(sources, query))


def register(app: Dash, sources: Sources) -> None:
    """Its callbacks."""
    keep_in_url(app, _PAGE, _SETTINGS)

    # Apart from what follows, so that the table is there first
    @app.callback(
        Output(_ID.LEAGUE, "rowData"),
        Output(_ID.LEAGUE, "style"),
        Output(_ID.MATRIX, "figure"),
        Output(_ID.NOTICE, "children"),
        Input(_ID.MODE, "value"),
        prevent_initial_call=True,
    )
    def change_mode(mode: str) -> Any:
        try:
            pairings, table = _table(sources, mode)
        except DataError as error:
            return no_update, no_update, no_update, problem(str(error))
        rows = _rows(table)
        return rows, _height(rows), matrix_figure(pairings, [row.bot for row in table]), None

    @app.callback(
        Output(_ID.RATINGS, "figure"),
        Output(_ID.PAIR, "data"),
        Output(_ID.PAIR, "value"),
        Input(_ID.LEAGUE, "rowData"),
        State(_ID.MODE, "value"),
        State(_ID.PAIR, "value"),
        prevent_initial_call=True,
    )
    def follow(_: Any, mode: str, before: str | None) -> Any:
        try:
            pairings, table = _table(sources, mode)
            ratings = ratings_figure(sources.matchups.ratings(mode), [row.bot for row in table])
        except DataError:  # said by the table
            return no_update, no_update, no_update
        pairs = _pairs(pairings)
        return ratings, pairs, _pair(pairs, before)

    @app.callback(
        Output(_ID.PAIR, "value", allow_duplicate=True),
        Input(_ID.MATRIX, "clickData"),
        State(_ID.MODE, "value"),
        prevent_initial_call=True,
    )
    def click(clicked: Any, mode: str) -> Any:
        if not clicked:
            return no_update
        pairs = _pairs(sources.matchups.pairings(mode))
        row, column = clicked["points"][0]["customdata"][:2]
        wanted = {_BETWEEN.join((row, column)), _BETWEEN.join((column, row))}
        return next((pair["value"] for pair in pairs if pair["value"] in wanted), no_update)

    @app.callback(
        Output(_ID.GAMES, "children"),
        Input(_ID.PAIR, "value"),
        State(_ID.MODE, "value"),
        prevent_initial_call=True,
    )
    def open_games(pair: str | None, mode: str) -> Any:
        return _games(sources, mode, pair)

    @app.callback(
        Output(_ID.RECORDED, "children"),
        Input(_ID.PAIR, "value"),
        Input(_ID.SPEC, "value"),
        State(_ID.MODE, "value"),
        prevent_initial_call=True,
    )
    def open_recorded(pair: str | None, spec: str, mode: str) -> Any:
        return _recorded(sources, mode, pair, spec)

    @app.callback(
        Output(_ID.DOWNLOAD, "data"),
        Input(_ID.CSV, "n_clicks"),
        State(_ID.MODE, "value"),
        prevent_initial_call=True,
    )
    def export(_: int, mode: str) -> Any:
        pairings = sources.matchups.pairings(mode)
        return dcc.send_data_frame(pairings.to_csv, f"lucy-matchups-{mode}.csv", index=False)


def _layout(sources: Sources, query: Query) -> Component:
    modes = [mode for mode in MODES if len(sources.matchups.pairings(mode))]
    if not modes:
        return empty(
            "No match yet",
            "Matches show here once they are kept in the store; recorded ones can be opened.",
            shell_line(
                *("lucy", "match", sources.folder / "lucy-cpu", "chaser"),
                *("--store", sources.store.shown, "--record", sources.folder / "games.npz"),
            ),
        )
    mode = choice(query, "mode", modes, modes[0])
    pairings, table = _table(sources, mode)
    bots = [row.bot for row in table]
    pairs = _pairs(pairings)
    pair = _pair(pairs, query.get("pair"))
    spec = choice(query, "spec", sources.specs.names(), DEFAULT)
    return html.Div(
        [
            dmc.VisuallyHidden(dmc.Title("Matchups", order=1)),
            *kept(_PAGE, _SETTINGS),
            dcc.Download(id=_ID.DOWNLOAD),
            dmc.Group(
                [
                    segments(_ID.MODE, mode, {name: name for name in modes}, "Mode"),
                    csv_button(_ID.CSV),
                ],
                mb="sm",
            ),
            html.Div(id=_ID.NOTICE),
            dmc.SimpleGrid(
                [
                    card(
                        _league(_rows(table)),
                        graph(
                            _ID.RATINGS,
                            ratings_figure(sources.matchups.ratings(mode), bots),
                            "Ratings",
                            "ratings",
                        ),
                        title="Table",
                    ),
                    card(
                        graph(
                            _ID.MATRIX, matrix_figure(pairings, bots), "Share of goals", "matrix"
                        ),
                        hint(
                            "The row's share of the goals against the column. Click a field to "
                            "open the pairing."
                        ),
                        title="Share of goals",
                    ),
                ],
                cols={"base": 1, "lg": 2},
            ),
            card(
                dmc.Group(
                    [
                        dmc.Select(
                            id=_ID.PAIR,
                            label="Pairing",
                            data=pairs,
                            value=pair,
                            searchable=True,
                            limit=MOST_LISTED,
                            allowDeselect=False,
                            w=420,
                            size="sm",
                        ),
                        dmc.Select(
                            id=_ID.SPEC,
                            label="Scored by",
                            data=sources.specs.names(),
                            value=spec,
                            allowDeselect=False,
                            w=170,
                            size="sm",
                        ),
                    ],
                    align="end",
                    mb="sm",
                ),
                html.Div(_games(sources, mode, pair), id=_ID.GAMES),
                html.Div(_recorded(sources, mode, pair, spec), id=_ID.RECORDED),
                mt="md",
            ),
        ]
    )


def _labels(pairings: pd.DataFrame) -> dict[str, str]:
    """The bots of a mode by what they are called on the page."""
    bots = list(dict.fromkeys(pairings[["first", "second"]].to_numpy().ravel()))
    return dict(zip(bots, bot_labels(bots), strict=True))


def _called(sources: Sources, mode: str, bots: tuple[str, str]) -> list[str]:
    labels = _labels(sources.matchups.pairings(mode))
    return distinct([labels.get(bot, bot) for bot in bots])


def _pairs(pairings: pd.DataFrame) -> list[dict[str, str]]:
    labels = _labels(pairings)
    rows = pairings.sort_values("games", ascending=False, kind="stable").to_dict("records")
    return [
        {
            "value": _BETWEEN.join((row["first"], row["second"])),
            "label": f"{labels[row['first']]} against {labels[row['second']]} "
            f"({row['games']} games)",
        }
        for row in rows
        if row["first"] != row["second"]
    ] or [
        {
            "value": _BETWEEN.join((row["first"], row["second"])),
            "label": f"{labels[row['first']]} against itself ({row['games']} games)",
        }
        for row in rows
    ]


def _pair(pairs: Sequence[dict[str, str]], wanted: str | None) -> str:
    """The pairing that was wanted where it is there, else the one of most games."""
    values = [pair["value"] for pair in pairs]
    return wanted if wanted in values else values[0]


def _table(sources: Sources, mode: str) -> tuple[pd.DataFrame, list[Standing]]:
    pairings = sources.matchups.pairings(mode)
    return pairings, standings(pairings, sources.matchups.ratings(mode))


def _rows(table: Sequence[Standing]) -> list[dict[str, Any]]:
    return [
        row._asdict()
        | {
            "label": label,
            "share": row.share,
            "record": f"{row.won}-{row.drawn}-{row.lost}",
            "score": f"{row.goals} : {row.conceded}",
            "key": row.bot,
        }
        for row, label in zip(table, bot_labels([row.bot for row in table]), strict=True)
    ]


def _height(rows: Sequence[Any]) -> dict[str, Any]:
    return {"height": table_height(len(rows), 380), "width": "100%"}


def _league(rows: list[dict[str, Any]]) -> Component:
    one = {"function": "params.value == null ? '' : d3.format('.1f')(params.value)"}
    sure = {
        "function": "params.value == null ? '' : params.value === 0 ? 'fixed' : "
        "d3.format('.1f')(params.value)"
    }
    columns: list[dict[str, Any]] = [
        {"field": "label", "headerName": "Bot", "flex": 1, "minWidth": 110, "tooltipField": "bot"},
        {"field": "rating", "headerName": "Rating", "width": 66, "valueFormatter": one},
        {"field": "sigma", "headerName": "±", "width": 58, "valueFormatter": sure},
        {"field": "games", "headerName": "Games", "width": 66},
        {
            "field": "record",
            "headerName": "W-D-L",
            "headerTooltip": "Won, drawn and lost",
            "width": 92,
            "sortable": False,
        },
        {"field": "score", "headerName": "Goals", "width": 92, "sortable": False},
        {
            "field": "share",
            "headerName": "Share",
            "width": 68,
            "valueFormatter": {"function": "d3.format('.1%')(params.value)"},
        },
    ]
    return dag.AgGrid(
        id=_ID.LEAGUE,
        rowData=rows,
        columnDefs=columns,
        defaultColDef={
            "sortable": True,
            "resizable": True,
            "suppressMovable": True,
        },
        getRowId="params.data.key",
        dashGridOptions={"animateRows": False},
        className="lucy-grid",
        style=_height(rows),
    )


def _games(sources: Sources, mode: str, pair: str | None) -> Any:
    bots = _bots(pair)
    try:
        games = sources.matchups.games(mode, bots)
        if games.empty:
            return problem(f"There are no games of {bots[0]} against {bots[1]} in {mode} any more.")
        goals = sources.matchups.goals(mode, bots)
    except DataError as error:
        return problem(str(error))
    seconds, names = float(games["seconds"].to_numpy().max()), _called(sources, mode, bots)
    return [
        _score(games, names),
        graph("matchups-games", games_figure(games, names), "Score by game", "games"),
        graph("matchups-goals", goals_figure(goals, names, seconds), "Goals", "goals"),
    ]


def _recorded(sources: Sources, mode: str, pair: str | None, spec: str) -> Any:
    bots = _bots(pair)
    try:
        opened = sources.matchups.opened(mode, bots, spec)
        games = sources.matchups.games(mode, bots)
        return _played(opened, games, _called(sources, mode, bots), spec)
    except DataError as error:
        return problem(str(error))


def _bots(pair: str | None) -> tuple[str, str]:
    first, _, second = (pair or "").partition(_BETWEEN)
    return first, second


def _score(games: pd.DataFrame, names: Sequence[str]) -> Component:
    goals, conceded = games["goals"].to_numpy(), games["conceded"].to_numpy()
    won, lost = int((goals > conceded).sum()), int((goals < conceded).sum())
    return html.Div(
        [
            html.Span(names[0], className="team-blue"),
            html.Strong(f"{goals.sum()} : {conceded.sum()}", className="score"),
            html.Span(names[1], className="team-orange"),
            html.Span(
                f"{won} won, {len(games) - won - lost} drawn, {lost} lost in {len(games)} games",
                className="hint",
            ),
        ],
        className="board",
    )


def _played(
    opened: Opened | None, games: pd.DataFrame, names: Sequence[str], spec: str
) -> list[Any]:
    if games.empty:
        return []
    if opened is None:
        return [
            hint(
                "None of these games was recorded: play with --record to see where they are "
                "played, and what each side earns."
            )
        ]
    recorded: Any = games[games["recording_id"].notna()]
    newest = recorded.tail(1).to_dict("records")[0]
    rows = [
        html.Tr(
            [
                html.Td(name),
                html.Td(_number(name, value)),
                html.Td(_number(name, opened.second.figures[name])),
            ]
        )
        for name, value in opened.first.figures.items()
    ]
    head = html.Thead(html.Tr([html.Th(""), *(html.Th(name) for name in names)]))
    sides = [(names[0], opened.first.earned), (names[1], opened.second.earned)]
    return [
        dmc.Title(f"In {opened.games} recorded games", order=3, size="h4", mt="md", mb="xs"),
        dcc.Link(
            "Watch the newest →",
            href=link(
                "/play",
                source=f"r{int(newest['recording_id'])}",
                game=int(newest["game"]),
                spec=spec,
            ),
        ),
        graph(
            "matchups-places",
            places_figure(
                [
                    (
                        f"{names[0][-30:]}, and its goals",
                        opened.first.places,
                        opened.first.scored_from,
                    ),
                    (
                        f"{names[1][-30:]}, and its goals",
                        opened.second.places,
                        opened.second.scored_from,
                    ),
                    (f"Ball, {names[0][-24:]} attacking right", opened.ball, None),
                ]
            ),
            "Where cars and ball were",
            "places",
        ),
        hint("Everyone attacks to the right. Stars: the last touch before a goal."),
        dmc.SimpleGrid(
            [
                html.Div(
                    html.Table([head, html.Tbody(rows)], className="plain"), className="scroll"
                ),
                graph(
                    "matchups-sides",
                    sides_figure(list(opened.components), sides),
                    "What each side earned",
                    "sides",
                ),
            ],
            cols={"base": 1, "lg": 2},
            mt="md",
        ),
    ]


def _number(name: str, value: float) -> str:
    if name.startswith(("Time ", "Boost ")):
        return f"{value:.1%}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
