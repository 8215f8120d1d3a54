"""The dashboard as an app: the shell around the pages, and the way from an address to a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from flask import make_response, redirect, request
from werkzeug.wrappers import Response

from . import ids
from .data.sources import Sources
from .pages import matchups, play, reward, runs, shapes
from .parts import Page, empty, labelled, shown
from .security import secure

_PAGES = (runs, reward, shapes, play, matchups)
_HOME = "/runs"
TICK_SECONDS = 2.0  # between looks at the store
_MAX_ADDRESS = 4000  # characters

_INDEX = """<!DOCTYPE html>
<html lang="en">
<head>{%metas%}<title>{%title%}</title>{%favicon%}{%css%}
<script src="/assets/scheme.js"></script></head>
<body>{%app_entry%}<footer>{%config%}{%scripts%}{%renderer%}</footer></body>
</html>"""


def create_app(
    store: str,
    folder: Path = Path("runs"),
    *,
    password: str | None = None,
    hosts: Sequence[str] | None = None,
) -> Dash:
    """The dashboard over a store; `create_app(...).server` is what a WSGI server serves.

    Args:
        store: the path of an SQLite store or a database URL; it may come into being later.
        folder: where runs and recordings lie.
        password: asked of everyone, as HTTP's basic authentication; None asks for none.
        hosts: names by which it may be called; None allows any.
    """
    app = Dash(
        __name__,
        assets_folder=str(Path(__file__).with_name("assets")),
        title="Lucy",
        update_title="",
        suppress_callback_exceptions=True,  # a page's controls are there when it is shown
        index_string=_INDEX,
        assets_ignore=r"scheme\.js",  # which the head loads
        serve_locally=True,
    )
    sources = Sources.of(store, folder)
    pages = [module.page(sources) for module in _PAGES]
    for module in _PAGES:
        module.register(app, sources)
    app.layout = _shell(pages)
    _route(app, pages)
    _answer(app, [page.path for page in pages])
    secure(app, password, hosts)
    return app


def _shell(pages: Sequence[Page]) -> Component:
    header = html.Div(
        [
            html.A("To the content", href="#content", className="skip"),
            html.Div(["Lucy", html.Span("where the reward comes from")], className="brand"),
            html.Nav(id=ids.NAVIGATION, **labelled("Pages")),
            dmc.ColorSchemeToggle(
                lightIcon="☀",
                darkIcon="☾",
                variant="subtle",
                color="gray",
                size="lg",
                **labelled("Light or dark"),
            ),
        ],
        className="bar",
    )
    return dmc.MantineProvider(
        [
            dcc.Location(id=ids.URL, refresh="callback-nav"),
            dcc.Interval(id=ids.TICK, interval=round(TICK_SECONDS * 1000)),
            dmc.AppShell(
                [
                    dmc.AppShellHeader(header),
                    dmc.AppShellMain(html.Div(id=ids.CONTENT)),
                ],
                header={"height": 54},
                padding="md",
            ),
        ],
        defaultColorScheme="auto",
        theme={"primaryColor": "gray", "defaultRadius": "sm", "respectReducedMotion": True},
    )


def _route(app: Dash, pages: Sequence[Page]) -> None:
    by_path = {page.path: page for page in pages}

    @app.callback(
        Output(ids.CONTENT, "children"),
        Output(ids.NAVIGATION, "children"),
        Input(ids.URL, "pathname"),
        Input(ids.URL, "search"),
    )
    def show(address: str | None, search: str | None) -> tuple[Any, list[Component]]:
        path = _path(address or "")
        page = by_path.get(path)
        query = dict(parse_qsl((search or "")[1:_MAX_ADDRESS]))
        content = (
            shown(lambda: page.layout(query))
            if page
            else empty("There is no such page", f"Nothing is at {path}: choose a page above.")
        )
        return content, _navigation(pages, path)


def _path(address: str) -> str:
    """The path of the page that an address means."""
    return address.rstrip("/") or _HOME


def _answer(app: Dash, paths: Sequence[str]) -> None:
    """Lead from `/` to the home page, and say 404 where there is no page.

    Dash has rules for `/` and for every other address, which win over later ones and show the
    same shell whatever was asked for. So their views are replaced.
    """
    views = app.server.view_functions
    shell = views["/"]

    def answer(path: str = "") -> Response:
        asked, meant = f"/{path}", _path(f"/{path}")
        if meant not in paths:
            return make_response(shell(), 404)
        if asked != meant:
            query = request.query_string.decode("utf-8", "replace")
            return redirect(f"{meant}?{query}" if query else meant)
        return make_response(shell())

    views["/"] = views["/<path:path>"] = answer


def _navigation(pages: Sequence[Page], path: str) -> list[Component]:
    return [
        dcc.Link(
            html.Span(page.name, **_current(page.path == path)),
            href=page.path,
        )
        for page in pages
    ]


def _current(is_current: bool) -> dict[str, Any]:
    return {"aria-current": "page"} if is_current else {}
