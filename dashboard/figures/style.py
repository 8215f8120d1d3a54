"""How every figure looks: colours, fonts, and the frame around the data.

Figures are drawn for paper, in dark ink on white, so that what is exported can be printed;
on the page the style sheet takes the paper away and turns the ink light where the page is dark.
"""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

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


def frame(figure: go.Figure, height: int, *, hover: str = "x unified") -> go.Figure:
    """Give a figure the common frame; its legend lies above.

    Args:
        figure: changed in place, and returned.
        height: in pixels; the width is the page's.
        hover: Plotly's hovermode.
    """
    figure.update_layout(
        template="none",
        font=FONT | {"size": 12},
        height=height,
        autosize=True,
        margin={"l": 54, "r": 16, "t": 34, "b": 40},
        paper_bgcolor="white",
        plot_bgcolor="white",
        hovermode=hover,
        hoverlabel={"font": {"size": 12}, "namelength": -1},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        uirevision="kept",  # a zoom outlasts new data
    )
    axis = {
        "gridcolor": GRID,
        "zeroline": False,
        "ticks": "",
        "tickfont": {"color": MUTED, "size": 11},
        "automargin": True,
    }
    figure.update_xaxes(**axis, showgrid=False)
    figure.update_yaxes(**axis)
    return figure


def note(figure: go.Figure, text: str) -> go.Figure:
    """Say in the middle of an empty figure why it is empty."""
    figure.add_annotation(
        text=text, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper", font={"size": 14}
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def panel_titles(figure: go.Figure, titles: Sequence[str]) -> None:
    """Set the titles of a figure's panels small and to the left of each."""
    for annotation, title in zip(figure.layout.annotations, titles, strict=False):  # pyright: ignore[reportAttributeAccessIssue]
        annotation.update(text=title, font={"size": 12.5}, xanchor="left")


def rgba(colour: str, opacity: float) -> str:
    """A colour that lets what lies below it through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "png", "scale": 2},
}
