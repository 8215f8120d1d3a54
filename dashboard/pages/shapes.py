"""Reward shapes: a reward over the field, with everything on it to be dragged and turned."""

from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from flask import Response, jsonify, request
from pydantic import ValidationError

from .. import ids
from ..data.errors import DataError
from ..data.shapes import ShapeRequest, rewards, shape, to_toml, turned
from ..data.sources import Sources
from ..parts import Page, card, hint

_ID = ids.ShapesPage


def page(sources: Sources) -> Page:
    """The page."""
    return Page("/shapes", "Shapes", lambda query: _layout())


def register(app: Dash, sources: Sources) -> None:
    """Its callbacks, and what the stage asks for while something is dragged."""
    app.clientside_callback(
        ClientsideFunction("lucyShapes", "open"), Output(_ID.DONE, "data"), Input(_ID.STAGE, "id")
    )
    server = app.server
    server.add_url_rule("/api/shapes", "shapes", lambda: jsonify(rewards(sources.specs)))

    @server.post("/api/shape")
    def draw() -> Response:
        return _answer(lambda given: Response(shape(sources.specs, given)))

    @server.post("/api/shape/toml")
    def save() -> Response:
        def text(given: ShapeRequest) -> Response:
            spec = turned(sources.specs, given.reward, given.knobs)
            return Response(to_toml(spec), mimetype="application/toml")

        return _answer(text)


def _answer(make: Any) -> Response:
    try:
        return make(ShapeRequest.model_validate_json(request.get_data()))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return Response(f"{where}: {first['msg']}", 400, mimetype="text/plain")
    except DataError as error:
        return Response(str(error), 400, mimetype="text/plain")


def _layout() -> Component:
    return html.Div(
        [
            dmc.VisuallyHidden(dmc.Title("Reward shapes", order=1)),
            dcc.Store(id=_ID.DONE),
            card(
                html.Div(id=_ID.STAGE, className="shapes"),
                hint(
                    "Drag the ball, the cars and the tips of their velocities. The colour is what "
                    "the blue car with the dark edge is paid wherever the moved thing is (for a "
                    "potential, differences of it are paid); arrows show where the value grows."
                ),
            ),
        ]
    )
