"""Small parts that all pages are made of."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from . import ids
from .data.errors import DataError
from .figures.style import CONFIG

Query = Mapping[str, str]
_NOTHING = 1e-6
MOST_LISTED = 60  # of a select's choices at a time; typing finds the others


class Page(NamedTuple):
    """One of the dashboard's pages."""

    path: str
    name: str
    layout: Callable[[Query], Component]


class Setting(NamedTuple):
    """A control whose value the address keeps."""

    name: str  # in the address
    id: str
    default: Any
    property: str = "value"


def choice(query: Query, name: str, choices: Sequence[str], default: str) -> str:
    """One of a few words out of the address; the default where it says anything else."""
    value = query.get(name, default)
    return value if value in choices else default


def number(query: Query, name: str, low: int, high: int, default: int) -> int:
    """A whole number out of the address, within its bounds."""
    text = query.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        return default
    return min(max(int(text), low), high)


def link(path: str, **query: Any) -> str:
    """An address within the dashboard; None values are left out."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def keep_in_url(app: Dash, page: str, settings: Sequence[Setting]) -> None:
    """Have a page's address follow its controls, so that it can be shared at any moment."""
    app.clientside_callback(
        ClientsideFunction("lucy", "keepInUrl"),
        Output(f"{ids.KEPT_DONE}-{page}", "data"),
        *(Input(setting.id, setting.property) for setting in settings),
        State(f"{ids.KEPT}-{page}", "data"),
        prevent_initial_call=True,
    )


def kept(page: str, settings: Sequence[Setting]) -> list[Component]:
    """What `keep_in_url` needs on the page."""
    names = {
        "names": [setting.name for setting in settings],
        "defaults": [setting.default for setting in settings],
    }
    return [
        dcc.Store(id=f"{ids.KEPT}-{page}", data=names),
        dcc.Store(id=f"{ids.KEPT_DONE}-{page}"),
    ]


def shown(make: Callable[[], Any]) -> Any:
    """What `make` makes, or in its place why it cannot."""
    try:
        return make()
    except DataError as error:
        return problem(str(error))


def problem(text: str) -> Component:
    """Something that is not there, and what to do."""
    return dmc.Alert(text, title="Cannot be shown", color="yellow", variant="light", mb="md")


def empty(title: str, text: str, *commands: str) -> Component:
    """A page with nothing to show yet, and what to run to fill it."""
    return dmc.Paper(
        dmc.Stack(
            [
                dmc.Title(title, order=3),
                dmc.Text(text),
                *(html.Pre(command, className="command") for command in commands),
            ],
            gap="xs",
        ),
        withBorder=True,
        p="xl",
        className="empty",
    )


def card(*children: Any, title: str | None = None, right: Any = None, **options: Any) -> Component:
    """A framed part of a page."""
    head = []
    if title is not None or right is not None:
        head = [
            dmc.Group(
                [dmc.Title(title or "", order=2, className="card-title"), right],
                justify="space-between",
                mb="xs",
            )
        ]
    return dmc.Paper([*head, *children], withBorder=True, p="md", **options)


def graph(name: str, figure: Any, label: str, file: str) -> Component:
    """A figure that can be zoomed and exported.

    Args:
        name: its id.
        figure: what it shows.
        label: that a screen reader reads.
        file: that its picture is called.
    """
    image = CONFIG["toImageButtonOptions"] | {"filename": f"lucy-{file}"}
    config: Any = CONFIG | {"toImageButtonOptions": image}
    return html.Div(
        dcc.Graph(id=name, figure=figure, config=config),
        role="figure",
        **labelled(label),
    )


def segments(name: str, value: str, data: Mapping[str, str], label: str) -> Component:
    """A choice of a few, all in sight."""
    return html.Div(
        dmc.SegmentedControl(
            id=name,
            value=value,
            data=[{"value": key, "label": text} for key, text in data.items()],
            size="xs",
        ),
        role="group",
        **labelled(label),
    )


def table_height(rows: int, most: int) -> int:
    """Pixels that a table with this many rows takes; beyond `most` it scrolls."""
    return min(44 + 33 * rows, most)


def plain(value: float | None) -> str:
    """A number with three digits that count, without an exponent where it can be read."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def signed(value: float) -> str:
    """An amount that is gained or lost; what rounding left of nothing is nothing."""
    return "0" if abs(value) < _NOTHING else f"{value:+.3g}"


def csv_button(name: str) -> Component:
    """The button that exports what is shown as CSV."""
    return dmc.Button("CSV", id=name, variant="default", size="compact-sm")


def labelled(label: str) -> dict[str, Any]:
    """The property by which a part without visible words is known to a screen reader."""
    return {"aria-label": label}


def hint(text: Any) -> Component:
    """A line of explanation."""
    return dmc.Text(text, size="sm", className="hint")
