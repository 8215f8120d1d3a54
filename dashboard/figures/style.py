"""How every figure looks: colours, fonts, and the frame around the data.

Figures are drawn for paper, in dark ink on white, so that what is exported can be printed;
on the page the style sheet takes the paper away and turns the ink light where the page is dark.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...rewards.drawing import FONT, MUTED

GRID = "#dfe3e8"

# Told apart by everybody, on white and on near black, and none of them the teams' blue or
# orange (Paul Tol's muted scheme, its darkest two lightened). Beyond nine a pattern is added.
COLOURS = (
    "#2a9d6f",
    "#b5507d",
    "#8f8b2f",
    "#7d62c9",
    "#4aa8a0",
    "#c26a5a",
    "#6f9b3c",
    "#a86fc0",
    "#8d7a66",
)
DASHES = ("solid", "dash", "dot", "dashdot")
PATTERNS = ("", "/", ".", "x")


Figure = dict[str, Any]  # its data and layout, as Plotly.js takes them
Span = tuple[float, float]
Axis = Mapping[str, Any] | None

MARGIN = {"l": 54, "r": 16, "t": 34, "b": 40}
_AXIS = {
    "gridcolor": GRID,
    "zeroline": False,
    "ticks": "",
    "tickfont": {"color": MUTED, "size": 11},
    "ticklabeloverflow": "allow",  # else every label is measured again
    "ticklabelstandoff": 4,
}
_TEMPLATE = {
    "layout": {
        "font": FONT | {"size": 12},
        "autosize": True,
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "hovermode": "x unified",
        "hoverlabel": {"font": {"size": 12}, "namelength": -1},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        "xaxis": _AXIS | {"showgrid": False},
        "yaxis": _AXIS,
    }
}


def colour(index: int) -> str:
    """The colour of the component or run with this place in its list."""
    return COLOURS[index % len(COLOURS)]


def dash(index: int) -> str:
    """The line that goes with `colour`, so that both together name one of 36."""
    return DASHES[index // len(COLOURS) % len(DASHES)]


def filling(index: int) -> dict[str, Any] | None:
    """The pattern that goes with `colour` on an area; the first nine have none."""
    shape = PATTERNS[index // len(COLOURS) % len(PATTERNS)]
    return (
        {"shape": shape, "fgcolor": "white", "bgcolor": colour(index), "size": 6} if shape else None
    )


def figure(data: Sequence[dict[str, Any]], height: int, **layout: Any) -> Figure:
    """Traces in the common frame; a legend lies above them.

    Plotly's own figures check every attribute, which takes them three times as long as all the
    rest; here the tests do so.

    Args:
        data: traces.
        height: in pixels; the width is the page's.
        layout: beyond the frame's; a margin is laid over the frame's.
    """
    margin = MARGIN | layout.pop("margin", {})
    kept = {"template": _TEMPLATE, "height": height, "uirevision": "kept"}  # a zoom outlasts data
    return {
        "data": [_packed(trace) for trace in data],
        "layout": kept | layout | {"margin": margin},
    }


def _packed(value: Any) -> Any:
    """Numbers as bytes, as Plotly.js reads them; it knows no integers of 64 bits."""
    if isinstance(value, dict):
        return {name: _packed(one) for name, one in value.items()}
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
        return value
    if value.dtype.kind != "f" or value.dtype.itemsize != 4:
        value = value.astype("<f8")
    shape = {} if value.ndim == 1 else {"shape": ", ".join(map(str, value.shape))}
    numbers = base64.b64encode(value.tobytes()).decode()
    return {"dtype": value.dtype.str[1:], "bdata": numbers} | shape


def panel(place: int, across: Span, up: Span, x: Axis = None, y: Axis = None) -> dict[str, Any]:
    """The layout of one of several panels.

    Args:
        place: from 0; traces name it by `at`.
        across: from where to where in the figure, 0 to 1.
        up: the same, from below.
        x: of the x axis.
        y: of the y axis.
    """
    names = at(place)
    return {
        names["xaxis"].replace("x", "xaxis"): {"domain": across, "anchor": names["yaxis"]}
        | dict(x or {}),
        names["yaxis"].replace("y", "yaxis"): {"domain": up, "anchor": names["xaxis"]}
        | dict(y or {}),
    }


def at(place: int) -> dict[str, str]:
    """What puts a trace into a panel."""
    number = str(place + 1) if place else ""
    return {"xaxis": f"x{number}", "yaxis": f"y{number}"}


def columns(count: int, between: float) -> list[Span]:
    """Panels beside one another, from left to right."""
    width = (1 - between * (count - 1)) / count
    return [(i * (width + between), i * (width + between) + width) for i in range(count)]


def title(text: str, x: float, y: float) -> dict[str, Any]:
    """A panel's title, small and at its upper left corner."""
    return {
        "text": text,
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 12.5},
    }


def axis_title(text: str) -> dict[str, Any]:
    """What runs along an axis."""
    return {"text": text, "font": {"size": 11}}


def note(text: str, height: int = 180) -> Figure:
    """An empty figure, and why it is empty."""
    said = {"text": text, "showarrow": False, "x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper"}
    hidden = {"visible": False}
    return figure(
        [], height, annotations=[said | {"font": {"size": 14}}], xaxis=hidden, yaxis=hidden
    )


def swatch(index: int) -> dict[str, str]:
    """`colour` and `filling` together, as the style of a mark in a table."""
    turn = {"/": 135, ".": 90, "x": 45}.get(PATTERNS[index // len(COLOURS) % len(PATTERNS)])
    if turn is None:
        return {"background": colour(index)}
    stripes = f"{colour(index)} 0 2px, white 2px 4px"
    return {"background": f"repeating-linear-gradient({turn}deg, {stripes})"}


def rgba(colour: str, opacity: float) -> str:
    """A colour that lets what lies below it through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": [
        "select2d",
        "lasso2d",
        "autoScale2d",
        "sendChartToCloud",  # what is shown here is the viewer's own
    ],
    "toImageButtonOptions": {"format": "png", "scale": 2},
}
