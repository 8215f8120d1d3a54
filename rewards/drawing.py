"""What all pictures of rewards share: colours, and how they are written."""

import os
from html import escape
from pathlib import Path

import plotly.graph_objects as go
from plotly.io import to_html, to_image

PICTURE_SUFFIXES = (".html", ".png")

# Teams alone are blue and orange; below zero is purple, above it green, which differ in
# lightness too and so can be told apart by everybody (ColorBrewer's PRGn)
TEAM_COLOURS = ("#1f66e0", "#e8730c")
NEGATIVE = ("#40004b", "#762a83", "#9970ab", "#c2a5cf", "#e7d4e8")
NEUTRAL = "#f7f7f7"
POSITIVE = ("#d9f0d3", "#a6dba0", "#5aae61", "#1b7837", "#00441b")
INK, MUTED, LINE = "#161a20", "#5b6470", "#98a2ae"
FONT = {"family": "Helvetica, Arial, sans-serif", "size": 13, "color": INK}

_PNG_SCALE = 1.5


class PictureError(ValueError):
    """A picture cannot be written; the message says why and what to do."""


def colour_scale(low: float, high: float) -> tuple[list[tuple[float, str]], float, float]:
    """Colours for values from low to high, and the range that they stand for.

    Zero has the neutral colour, and equal distances from it have equally strong ones. Where
    all values have one sign only that half is used.
    """
    reach = max(abs(low), abs(high)) or 1.0
    if low >= 0:
        colours, low, high = (NEUTRAL, *POSITIVE), 0.0, reach
    elif high <= 0:
        colours, low, high = (*NEGATIVE, NEUTRAL), -reach, 0.0
    else:
        colours, low, high = (*NEGATIVE, NEUTRAL, *POSITIVE), -reach, reach
    last = len(colours) - 1
    return [(i / last, colour) for i, colour in enumerate(colours)], low, high


def plain_text(text: str) -> str:
    """A text that Plotly shows as it is; in others it reads `<b>` and `&lt;` as a browser does."""
    return escape(text, quote=False)


def save_picture(figure: go.Figure, path: Path) -> None:
    """Write a figure as a page that works offline, or as PNG; a file there is replaced.

    Raises:
        PictureError: another suffix, no Chrome for a PNG, or the file cannot be written.
    """
    if path.suffix not in PICTURE_SUFFIXES:
        raise PictureError(f"{path}: expected a file name that ends in .html or .png")
    data = to_html(figure).encode() if path.suffix == ".html" else _png(figure, path)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise PictureError(f"{path}: cannot be written ({error}); choose another place") from error
    finally:
        temporary.unlink(missing_ok=True)


def _png(figure: go.Figure, path: Path) -> bytes:
    from kaleido.errors import JavascriptError

    try:
        return to_image(figure, "png", scale=_PNG_SCALE)
    except JavascriptError:
        raise
    except RuntimeError as error:  # whatever else goes wrong is the browser
        raise PictureError(
            f"{path}: a PNG is drawn by Chrome or Chromium, and none could be started; write "
            f"{path.with_suffix('.html').name} instead, or get one with plotly_get_chrome"
        ) from error
