"""Runs: their list, and the curves of those that are chosen, live."""

from collections.abc import Sequence
from typing import Any, get_args

import dash_ag_grid as dag
import dash_mantine_components as dmc
import pandas as pd
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from ...sim.shell import shell_line
from .. import ids
from ..data.errors import DataError
from ..data.runs import RunCurves, RunRow, parse_runs, status
from ..data.sources import Sources
from ..figures.curves import SECTIONS, Axis, curves_figure
from ..figures.style import swatch
from ..parts import (
    Page,
    Query,
    Setting,
    card,
    choice,
    csv_button,
    empty,
    graph,
    keep_in_url,
    kept,
    link,
    number,
    plain,
    problem,
    segments,
    table_height,
)

_PAGE = "runs"
_ID = ids.RunsPage
_SECTION_NAMES = {
    "play": "Play",
    "reward": "Reward",
    "ppo": "PPO health",
    "auxiliary": "Auxiliary",
    "time": "Time",
}
_AXES = get_args(Axis)
_MAX_SMOOTHING = 50
_SETTINGS = (
    Setting("runs", _ID.CHOSEN, "", "data"),
    Setting("show", _ID.SECTION, "play"),
    Setting("by", _ID.AXIS, "steps"),
    Setting("smooth", _ID.SMOOTHING, 0),
    Setting("seeds", _ID.BANDS, False, "checked"),
)
_STATUS_COLOURS = {
    "running": "teal",
    "finished": "gray",
    "interrupted": "yellow",
    "failed": "red",
    "silent": "yellow",
}


def page(sources: Sources) -> Page:
    """The page."""
    return Page("/runs", "Runs", lambda query: _layout(sources, query))


def register(app: Dash, sources: Sources) -> None:
    """Its callbacks."""
    keep_in_url(app, _PAGE, _SETTINGS)

    @app.callback(
        Output(_ID.GRID, "rowData"),
        Output(_ID.LIST_SHOWN, "data"),
        Input(ids.TICK, "n_intervals"),
        State(_ID.LIST_SHOWN, "data"),
        prevent_initial_call=True,
    )
    def refresh(_: int, before: Any) -> Any:
        try:
            rows = sources.runs.rows()
        except DataError:  # said below the list
            return no_update, no_update
        now = _list_token(rows)
        return (no_update, no_update) if now == before else (_records(rows), now)

    app.clientside_callback(
        ClientsideFunction("lucy", "chooseRuns"),
        Output(_ID.CHOSEN, "data"),
        Input(_ID.GRID, "selectedRows"),
        State(_ID.CHOSEN, "data"),
        prevent_initial_call=True,
    )

    # Apart from the drawing: Dash forgets the answer to a choice of the viewer's when a tick asks
    # for the same outputs meanwhile
    @app.callback(
        Output(_ID.SHOWN, "data"),
        Input(ids.TICK, "n_intervals"),
        State(_ID.CHOSEN, "data"),
        State(_ID.SHOWN, "data"),
        prevent_initial_call=True,
    )
    def follow(_: int, chosen: str, before: Any) -> Any:
        try:
            now: Any = _token(sources, parse_runs(chosen))
        except DataError as error:
            now = str(error)
        return no_update if now == before else now

    @app.callback(
        Output(_ID.HEADER, "children"),
        Output(_ID.FIGURE, "figure"),
        Input(_ID.CHOSEN, "data"),
        Input(_ID.SECTION, "value"),
        Input(_ID.AXIS, "value"),
        Input(_ID.SMOOTHING, "value"),
        Input(_ID.BANDS, "checked"),
        Input(_ID.SHOWN, "data"),
        prevent_initial_call=True,
    )
    def draw(chosen: str, section: str, axis: Axis, smoothing: int, bands: bool, _: Any) -> Any:
        try:
            return _opened(sources, parse_runs(chosen), section, axis, smoothing, bands)
        except DataError as error:
            return problem(str(error)), no_update

    @app.callback(
        Output(_ID.DOWNLOAD, "data"),
        Input(_ID.CSV, "n_clicks"),
        State(_ID.CHOSEN, "data"),
        prevent_initial_call=True,
    )
    def export(_: int, chosen: str) -> Any:
        runs = [sources.runs.curves(run) for run in parse_runs(chosen)]
        tables = [run.metrics.assign(run=run.label) for run in runs]
        if not tables:
            return no_update
        return dcc.send_data_frame(pd.concat(tables).to_csv, "lucy-runs.csv", index=False)


def _layout(sources: Sources, query: Query) -> Component:
    rows = sources.runs.rows()
    if not rows:
        return empty(
            "No run yet",
            "A training shows here from its first iteration on. Two cores are enough:",
            shell_line(
                *("lucy", "train", "--preset", "lucy-cpu"), "--run-dir", sources.folder / "lucy-cpu"
            ),
        )
    known = {row.id for row in rows}
    runs = [run for run in parse_runs(query.get("runs")) if run in known] or [rows[0].id]
    section = choice(query, "show", tuple(SECTIONS), "play")
    axis: Axis = "hours" if query.get("by") == "hours" else "steps"
    smoothing = number(query, "smooth", 0, _MAX_SMOOTHING, 0)
    bands = query.get("seeds") == "true"
    header, figure = _opened(sources, runs, section, axis, smoothing, bands)
    return html.Div(
        [
            dmc.VisuallyHidden(dmc.Title("Runs", order=1)),
            dcc.Store(id=_ID.CHOSEN, data=",".join(map(str, runs))),
            dcc.Store(id=_ID.SHOWN, data=_token(sources, runs)),
            dcc.Store(id=_ID.LIST_SHOWN, data=_list_token(rows)),
            dcc.Download(id=_ID.DOWNLOAD),
            *kept(_PAGE, _SETTINGS),
            card(_grid(rows, runs), mb="md"),
            card(
                html.Div(header, id=_ID.HEADER),
                _controls(section, axis, smoothing, bands),
                graph(_ID.FIGURE, figure, "Training curves", "curves"),
            ),
        ]
    )


def _grid(rows: Sequence[RunRow], chosen: Sequence[int]) -> Component:
    whole = {"function": "d3.format(',')(params.value)"}
    short = {"function": "params.value == null ? '' : d3.format('.2f')(params.value)"}
    columns: list[dict[str, Any]] = [
        {"field": "name", "headerName": "Run", "flex": 2, "minWidth": 150},
        {"field": "id", "headerName": "#", "width": 58},
        {"field": "status", "headerName": "Status", "width": 98},
        {"field": "mode", "headerName": "Mode", "width": 72},
        {"field": "reward", "headerName": "Reward", "width": 112},
        {"field": "seed", "headerName": "Seed", "width": 66},
        {
            "field": "steps",
            "headerName": "Steps",
            "valueFormatter": whole,
            "type": "rightAligned",
            "width": 116,
        },
        {
            "field": "steps_per_second",
            "headerName": "Steps/s",
            "valueFormatter": {
                "function": "params.value == null ? '' : d3.format(',.0f')(params.value)"
            },
            "type": "rightAligned",
            "width": 86,
        },
        {
            "field": "goals_per_minute",
            "headerName": "Goals/min",
            "valueFormatter": short,
            "type": "rightAligned",
            "width": 98,
        },
        {
            "field": "rating",
            "headerName": "Rating",
            "valueFormatter": short,
            "type": "rightAligned",
            "width": 80,
        },
        {
            "field": "updated",
            "headerName": "Newest",
            "valueFormatter": {"function": "moment(params.value)"},
            "width": 130,
        },
        {"field": "machine", "headerName": "Machine", "width": 100},
    ]
    return dag.AgGrid(
        id=_ID.GRID,
        rowData=_records(rows),
        columnDefs=columns,
        defaultColDef={"sortable": True, "resizable": True, "suppressMovable": True},
        getRowId="params.data.key",
        selectedRows={"ids": [str(run) for run in chosen]},
        dashGridOptions={
            "rowSelection": {
                "mode": "multiRow",
                "enableClickSelection": True,
                "headerCheckbox": False,
            },
            "animateRows": False,
            "suppressCellFocus": False,
        },
        className="lucy-grid",
        style={"height": table_height(len(rows), 250), "width": "100%"},
    )


def _controls(section: str, axis: str, smoothing: int, bands: bool) -> Component:
    return dmc.Group(
        [
            segments(_ID.SECTION, section, _SECTION_NAMES, "What is shown"),
            segments(_ID.AXIS, axis, {"steps": "by steps", "hours": "by hours"}, "Across"),
            dmc.Group(
                [
                    dmc.Text("Smooth", size="sm"),
                    dmc.Slider(
                        id=_ID.SMOOTHING,
                        value=smoothing,
                        min=0,
                        max=_MAX_SMOOTHING,
                        w=120,
                        size="sm",
                        thumbLabel="Smoothing",
                    ),
                ],
                gap="xs",
            ),
            dmc.Switch(
                id=_ID.BANDS, checked=bands, label="Seeds together", size="sm", color="teal"
            ),
            csv_button(_ID.CSV),
        ],
        gap="lg",
        my="sm",
    )


def _opened(
    sources: Sources, runs: Sequence[int], section: str, axis: Axis, smoothing: int, bands: bool
) -> tuple[Any, Any]:
    curves = [sources.runs.curves(run) for run in runs]
    section = section if section in SECTIONS else "play"
    axis = axis if axis in _AXES else "steps"
    figure = curves_figure(curves, section, axis, int(smoothing or 0), bool(bands))
    if len(curves) == 1:
        return _one(sources, curves[0]), figure
    if not curves:
        return dmc.Text("Choose one run or several above."), figure
    return _several(curves), figure


def _one(sources: Sources, run: RunCurves) -> Component:
    about, summary = run.summary, status(run.summary)
    config = sources.runs.config(about.id)
    environment = config.get("environment") or {}
    rate = about.latest.get("time/overall_steps_per_second")
    goal = config.get("steps")
    figures = {
        "agent-steps" + (f" of {goal:,}" if isinstance(goal, int) else ""): f"{about.steps:,}",
        "steps a second": f"{rate:,.0f}" if rate else "?",
        "iterations": f"{about.iterations:,}",
        "mode": environment.get("mode", "?"),
        "reward": environment.get("reward", "?"),
    }
    figures |= {
        f"rating {mode}": f"{rating.mu:.1f} ± {rating.sigma:.1f}"
        for mode, rating in about.ratings.items()
    }
    return html.Div(
        [
            dmc.Group(
                [
                    dmc.Title(run.label, order=2, size="h3"),
                    dmc.Badge(
                        summary,
                        color=_STATUS_COLOURS.get(summary, "gray"),
                        variant="light",
                        className="status",
                    ),
                    dmc.Text(f"on {about.device} of {about.machine}", size="sm", className="hint"),
                    dcc.Link("Where its reward comes from →", href=link("/reward", run=about.id)),
                ],
                mb="xs",
            ),
            _figures(figures),
            *_warnings(sources, about.id),
        ]
    )


def _figures(figures: dict[str, str]) -> Component:
    return html.Dl(
        [html.Div([html.Dt(name), html.Dd(value)]) for name, value in figures.items()],
        className="figures",
    )


def _warnings(sources: Sources, run: int) -> list[Component]:
    return [
        dmc.Alert(
            warning.text, title=warning.title, color="yellow", variant="light", py="xs", mb="xs"
        )
        for warning in sources.runs.warnings(run)
    ]


def _several(curves: Sequence[RunCurves]) -> Component:
    rows = [
        html.Tr(
            [
                html.Td(
                    [
                        html.Span(className="swatch", style=swatch(i)),
                        run.label,
                    ]
                ),
                html.Td(status(run.summary)),
                html.Td(f"{run.summary.steps:,}"),
                *(html.Td(plain(run.summary.latest.get(name))) for name in _COMPARED),
            ]
        )
        for i, run in enumerate(curves)
    ]
    head = ["Run", "Status", "Steps", *_COMPARED.values()]
    return html.Table(
        [html.Thead(html.Tr([html.Th(name) for name in head])), html.Tbody(rows)],
        className="plain",
    )


_COMPARED = {
    "game/goals_per_minute": "Goals/min",
    "game/touches_per_minute": "Touches/min",
    "reward/total": "Reward a step",
    "train/explained_variance": "Explained variance",
    "time/overall_steps_per_second": "Steps/s",
}


def _records(rows: Sequence[RunRow]) -> list[dict[str, Any]]:
    return [row._asdict() | {"key": str(row.id)} for row in rows]


def _list_token(rows: Sequence[RunRow]) -> list[Any]:
    return [[row.id, row.steps, row.status, row.rating] for row in rows]


def _token(sources: Sources, runs: Sequence[int]) -> list[Any]:
    """Changes when there is something new to see of these runs."""
    chosen = [sources.runs.get(run) for run in runs]
    return [[run.id, run.steps, status(run), len(run.ratings)] for run in chosen]
