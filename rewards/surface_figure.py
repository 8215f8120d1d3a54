"""Pictures of surfaces: the field with goals, pads, cars and ball over a reward's value."""

from collections.abc import Sequence
from math import atan2, degrees, hypot
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..sim.constants import (
    BACK_NET_Y,
    BACK_WALL_Y,
    BLUE,
    BOOST_PAD_POSITIONS,
    CEILING_Z,
    CORNER_CUT,
    GOAL_HALF_WIDTH,
    GOAL_HEIGHT,
    ORANGE,
    SIDE_WALL_X,
)
from .drawing import FONT, INK, LINE, MUTED, TEAM_COLOURS, colour_scale, plain_text
from .surface import REACH, Scene, Surface, Vector

BIG_PAD_Z = 73.0

_ARROWS = 190  # in a panel
_BANDS = 32  # of colour
_ARROW_LENGTH = 0.8  # of the space between two arrows
_FAINT = 0.03  # of the steepest slope, below which there is no arrow
_MARGIN = 160.0  # uu around the field
_GAP = 70  # pixels between panels
_UU_PER_PIXEL = {"xy": 28.0, "xz": 18.0, "yz": 18.0}
_VELOCITY_SECONDS = 0.7  # of travel that a velocity's line shows
_AXIS_NAMES = {"x": "x (uu)", "y": "y (uu), orange's goal at +", "z": "z (uu)"}


class _Panel(NamedTuple):
    figure: go.Figure
    columns: int  # of the whole figure
    row: int
    column: int
    surface: Surface

    def add(self, trace: object) -> None:
        self.figure.add_trace(trace, row=self.row, col=self.column)

    def lines(self, name: str, paths: Sequence[np.ndarray], colour: str, width: float) -> None:
        """Draw open paths of points [n,2] as one trace."""
        points = np.concatenate([np.vstack([path, [[np.nan, np.nan]]]) for path in paths])
        self.add(
            go.Scatter(
                x=points[:, 0],
                y=points[:, 1],
                mode="lines",
                name=name,
                line={"color": colour, "width": width},
                hoverinfo="skip",
                showlegend=False,
            )
        )


def surface_figure(panels: Sequence[Sequence[Surface]], title: str = "") -> go.Figure:
    """Surfaces side by side, all in the same colours.

    Each has the traces `value`, `zero` where signs change, `slope` (arrows: where the value
    grows, longer where it grows faster), `field`, `goals`, `pads`, `cars` and `ball`, the moved
    one left out. Seen from above, as on the game's map, blue attacks upward and so has +x on
    the left.

    Args:
        panels: rows of surfaces over the same plane.
        title: above them all.
    """
    rows, columns = len(panels), max(len(row) for row in panels)
    everything = [surface for row in panels for surface in row]
    scene = everything[0].scene
    low = min(float(np.nanmin(surface.value)) for surface in everything)
    high = max(float(np.nanmax(surface.value)) for surface in everything)
    colours, low, high = colour_scale(low, high)
    size = _Size(scene, rows, columns)
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=[
            plain_text(row[i].title) if i < len(row) else ""
            for row in panels
            for i in range(columns)
        ],
        shared_yaxes=True,
        horizontal_spacing=_GAP / size.width if columns > 1 else 0,
        vertical_spacing=_GAP / size.height if rows > 1 else 0,
    )
    figure.update_layout(
        template="none",
        font=FONT,
        width=size.width + size.sides,
        height=size.height + size.above + size.below,
        margin={"l": size.left, "r": size.sides - size.left, "t": size.above, "b": size.below},
        title={
            "text": _title(title, scene),
            "font": {"size": 17},
            "x": 0.01,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 26},
        },
        paper_bgcolor="white",
        plot_bgcolor="white",
        coloraxis={
            "colorscale": colours,
            "cmin": low,
            "cmax": high,
            "colorbar": {"title": {"text": "value"}, "thickness": 14, "outlinewidth": 0},
        },
    )
    for i, row in enumerate(panels):
        for j, surface in enumerate(row):
            _draw(
                _Panel(figure, columns, i + 1, j + 1, surface), (low, high), i == rows - 1, j == 0
            )
    return figure


class _Size:
    """Of a figure's parts, in pixels."""

    left, sides, below = 70, 190, 60

    def __init__(self, scene: Scene, rows: int, columns: int) -> None:
        across, up = (
            (REACH[axis][1] - REACH[axis][0] + 2 * _MARGIN) / _UU_PER_PIXEL[scene.axes]
            for axis in scene.plane
        )
        self.width = max(560, round(columns * across + (columns - 1) * _GAP))
        self.height = round(rows * up + (rows - 1) * _GAP)
        self.above = 145


def _title(title: str, scene: Scene) -> str:
    heading = f"<b>{plain_text(title)}</b><br>" if title else ""
    return (
        f"{heading}<span style='font-size:12px;color:{MUTED}'>{'<br>'.join(_notes(scene))}</span>"
    )


def _notes(scene: Scene) -> list[str]:
    """What stands where, in words."""
    fixed = ({"x", "y", "z"} - set(scene.axes)).pop()
    edge = " (dark edge)" if scene.mates else ""
    ball = "ball", scene.ball, scene.ball_velocity
    car = f"blue car{edge if scene.moved == 'ball' else ''}", scene.car, scene.car_velocity
    moved, still = (ball, car) if scene.moved == "ball" else (car, ball)
    place = moved[1]["xyz".index(fixed)]
    return [
        f"the {moved[0]} is moved at {fixed} = {place:g}, {_motion(moved[2])}",
        f"{still[0]} at {_numbers(still[1])}, {_motion(still[2])}",
        f"{'the car touches the ball; ' if scene.touch else ''}arrows: where the value grows",
    ]


def _motion(velocity: Vector) -> str:
    return f"velocity {_numbers(velocity)}" if any(velocity) else "at rest"


def _numbers(vector: Vector) -> str:
    return "(" + ", ".join(f"{value:g}" for value in vector) + ")"


def _draw(panel: _Panel, reach: tuple[float, float], bottom: bool, left: bool) -> None:
    _draw_value(panel, reach)
    _draw_slope(panel)
    _draw_field(panel)
    _draw_bodies(panel)
    scene = panel.surface.scene
    for axis, name, update, shown in zip(
        scene.plane,
        scene.axes,
        (panel.figure.update_xaxes, panel.figure.update_yaxes),
        (bottom, left),
        strict=True,
    ):
        low, high = REACH[axis][0] - _MARGIN, REACH[axis][1] + _MARGIN
        turned = scene.axes == "xy" and name == "x"
        update(
            range=[high, low] if turned else [low, high],
            title={"text": _AXIS_NAMES[name] if shown else "", "font": {"size": 12}},
            showgrid=False,
            zeroline=False,
            ticks="outside",
            tickfont={"size": 11, "color": MUTED},
            tickcolor=LINE,
            dtick=1000 if axis == 2 else 2000,
            constrain="domain",
            row=panel.row,
            col=panel.column,
        )
    number = (panel.row - 1) * panel.columns + panel.column
    panel.figure.update_yaxes(
        scaleanchor=f"x{number if number > 1 else ''}", row=panel.row, col=panel.column
    )


def _draw_value(panel: _Panel, reach: tuple[float, float]) -> None:
    surface = panel.surface
    low, high = reach
    places = {"x": surface.across, "y": surface.up, "z": surface.value}
    panel.add(
        go.Contour(
            **places,
            name="value",
            coloraxis="coloraxis",
            contours={
                "coloring": "fill",
                "start": low,
                "end": high,
                "size": (high - low) / _BANDS,
                "showlines": False,
            },
            hovertemplate=(
                f"{surface.scene.axes[0]} %{{x:.0f}}, {surface.scene.axes[1]} %{{y:.0f}}: "
                "<b>%{z:.4g}</b><extra></extra>"
            ),
        )
    )
    if np.nanmin(surface.value) < 0 < np.nanmax(surface.value):
        panel.add(
            go.Contour(
                **places,
                name="zero",
                contours={"coloring": "none", "start": 0, "end": 0, "size": 1},
                line={"width": 1.6, "color": INK, "dash": "dot"},
                hoverinfo="skip",
                showlegend=False,
            )
        )


def _draw_slope(panel: _Panel) -> None:
    tails, tips = slope_arrows(panel.surface)
    if not len(tails):
        return
    panel.lines("slope", [np.stack(ends) for ends in zip(tails, tips, strict=True)], INK, 1)
    turn = -1 if panel.surface.scene.axes == "xy" else 1
    panel.add(
        go.Scatter(
            x=tips[:, 0],
            y=tips[:, 1],
            mode="markers",
            name="slope",
            marker={
                "symbol": "arrow",
                "size": 6,
                "color": INK,
                "angle": [degrees(atan2(turn * x, y)) for x, y in tips - tails],
            },
            hoverinfo="skip",
            showlegend=False,
        )
    )


def slope_arrows(surface: Surface) -> tuple[np.ndarray, np.ndarray]:
    """Where arrows up the slope begin and end: two [n,2], uu.

    An arrow's length goes with the root of the slope, so that gentle ones are seen too; the
    steepest twentieth are equally long.
    """
    up, across = np.gradient(surface.value.astype(np.float64), surface.up, surface.across)
    space = np.sqrt(np.ptp(surface.up) * np.ptp(surface.across) / _ARROWS)
    rows, columns = (
        np.linspace(0, len(axis) - 1, 2 * max(1, round(np.ptp(axis) / space)) + 1)[1::2].astype(int)
        for axis in (surface.up, surface.across)
    )
    row, column = (index.ravel() for index in np.meshgrid(rows, columns, indexing="ij"))
    slope = np.stack([across[row, column], up[row, column]], axis=1)
    steep = np.hypot(slope[:, 0], slope[:, 1])
    known = np.isfinite(steep)
    if not known.any() or steep[known].max() < 1e-12:
        return np.zeros((0, 2)), np.zeros((0, 2))
    share = steep / np.quantile(steep[known], 0.95).clip(1e-12)
    drawn = known & (share > _FAINT)
    length = _ARROW_LENGTH * space * np.sqrt(share[drawn].clip(0, 1))
    vectors = slope[drawn] / steep[drawn, None] * length[:, None]
    middles = np.stack([surface.across[column[drawn]], surface.up[row[drawn]]], axis=1)
    return middles - vectors / 2, middles + vectors / 2


def _draw_field(panel: _Panel) -> None:
    scene = panel.surface.scene
    panel.lines("field", _outline(scene), MUTED, 1.5)
    for team, path in _goals(scene):
        panel.lines("goals", [path], TEAM_COLOURS[team], 3)
    pads = BOOST_PAD_POSITIONS[:, scene.plane] if scene.axes == "xy" else np.zeros((0, 2))
    big = BOOST_PAD_POSITIONS[: len(pads), 2] == BIG_PAD_Z
    panel.add(
        go.Scatter(
            x=pads[:, 0],
            y=pads[:, 1],
            mode="markers",
            name="pads",
            marker={
                "symbol": "circle-open",
                "size": np.where(big, 11, 5),
                "color": MUTED,
                "line": {"width": 1.2},
            },
            hoverinfo="skip",
            showlegend=False,
        )
    )


def _outline(scene: Scene) -> list[np.ndarray]:
    if scene.axes == "xy":
        near, far = BACK_WALL_Y - CORNER_CUT, SIDE_WALL_X - CORNER_CUT
        corner = [
            (SIDE_WALL_X, near),
            (far, BACK_WALL_Y),
            (-far, BACK_WALL_Y),
            (-SIDE_WALL_X, near),
        ]
        half = np.array(corner)
        return [np.concatenate([half, -half, half[:1]])]
    reach = SIDE_WALL_X if scene.axes == "xz" else BACK_WALL_Y
    box = [(-reach, 0), (reach, 0), (reach, CEILING_Z), (-reach, CEILING_Z), (-reach, 0)]
    return [np.array(box)]


def _goals(scene: Scene) -> list[tuple[int, np.ndarray]]:
    """Each goal's team and outline; in a plane across the field, of the one behind it."""
    width, line, back = GOAL_HALF_WIDTH, BACK_WALL_Y, BACK_NET_Y
    if scene.axes == "xy":
        net = np.array([(-width, line), (-width, back), (width, back), (width, line)])
        return [(BLUE, -net), (ORANGE, net)]
    if scene.axes == "yz":
        net = np.array([(line, GOAL_HEIGHT), (back, GOAL_HEIGHT), (back, 0), (line, 0)])
        return [(BLUE, net * (-1, 1)), (ORANGE, net)]
    mouth = np.array([(-width, 0), (-width, GOAL_HEIGHT), (width, GOAL_HEIGHT), (width, 0)])
    place = scene.ball if scene.moved == "ball" else scene.car
    return [(ORANGE if place[1] >= 0 else BLUE, mouth)]


def _draw_bodies(panel: _Panel) -> None:
    scene = panel.surface.scene
    first, second = scene.plane
    turn = -1 if scene.axes == "xy" else 1
    ahead, behind = (0.0, 1.0, 0.0), (0.0, -1.0, 0.0)
    cars = [(place, ahead, BLUE) for place in scene.mates]
    cars += [(place, behind, ORANGE) for place in scene.opponents]
    if scene.moved == "ball":
        cars.insert(0, (scene.car, scene.car_velocity if any(scene.car_velocity) else ahead, BLUE))
        _draw_velocity(panel, scene.car, scene.car_velocity, TEAM_COLOURS[BLUE])
    else:
        _draw_velocity(panel, scene.ball, scene.ball_velocity, INK)
    paid = [i == 0 and scene.moved == "ball" for i in range(len(cars))]
    flat = [hypot(facing[first], facing[second]) < 1e-9 for _, facing, _ in cars]
    panel.add(
        go.Scatter(
            x=[place[first] for place, _, _ in cars],
            y=[place[second] for place, _, _ in cars],
            mode="markers",
            name="cars",
            marker={
                "symbol": ["circle" if is_flat else "arrow" for is_flat in flat],
                "size": [19 if is_paid else 15 for is_paid in paid],
                "opacity": 1,
                "angle": [
                    degrees(atan2(turn * facing[first], facing[second])) for _, facing, _ in cars
                ],
                "color": [TEAM_COLOURS[team] for _, _, team in cars],
                "line": {"width": 1.8, "color": [INK if is_paid else "white" for is_paid in paid]},
            },
            hoverinfo="skip",
            showlegend=False,
        )
    )
    if scene.moved == "car":
        panel.add(
            go.Scatter(
                x=[scene.ball[first]],
                y=[scene.ball[second]],
                mode="markers",
                name="ball",
                marker={"size": 13, "color": "white", "line": {"width": 2.5, "color": INK}},
                hoverinfo="skip",
                showlegend=False,
            )
        )


def _draw_velocity(panel: _Panel, place: Vector, velocity: Vector, colour: str) -> None:
    if any(velocity):
        axes = list(panel.surface.scene.plane)
        start = np.array(place)[axes]
        way = np.stack([start, start + _VELOCITY_SECONDS * np.array(velocity)[axes]])
        panel.lines("velocity", [way], colour, 2.5)
