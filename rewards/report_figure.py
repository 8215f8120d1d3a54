"""The picture of a reward's report: its table, shares, players and correlations."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from .drawing import FONT, INK, LINE, MUTED, colour_scale, plain_text
from .report import Report

_ROW = 26  # pixels
_CELL = 46
_LABELS, _BARS, _GAP, _COLOUR_BAR = 270, 210, 30, 40
_HEAD, _NAMES = 90, 190
_TABLE = {
    "component": "",
    "kind": "kind",
    "density": "density",
    "per_second": "per second",
    "min": "least",
    "max": "most",
    "positives": "above 0",
    "positive_mean": "mean",
    "negatives": "below 0",
    "negative_mean": "mean",
    "value_min": "least value",
    "value_max": "most value",
    "share": "share",
}


def report_figure(report: Report, title: str) -> go.Figure:
    """A report as a table above three panels with a row a component.

    Its traces are `statistics` (table), `share` (of all that is paid, by absolute value),
    `players` (what each component paid each player itself, a second) and `correlations`.

    Args:
        report: of `reward_report`.
        title: in plain text.
    """
    names = list(report.components.index)
    players = report.players["per_second"].unstack(level=0).loc[names]
    widths = [_BARS, _CELL * len(players.columns), _CELL * len(names)]
    table = _ROW * (len(names) + 2)
    panels = _ROW * len(names)
    width = sum(widths) + _LABELS + 2 * _GAP + _COLOUR_BAR
    between = 70
    figure = make_subplots(
        2,
        3,
        specs=[[{"type": "table", "colspan": 3}, None, None], [{}, {}, {}]],
        column_widths=[part / sum(widths) for part in widths],
        row_heights=[table / (table + panels), panels / (table + panels)],
        shared_yaxes=True,
        horizontal_spacing=_GAP / sum(widths),
        vertical_spacing=between / (table + panels + between),
        subplot_titles=[
            "",
            "share of all that is paid",
            "paid a second",
            "correlation of what they pay",
        ],
    )
    figure.add_trace(_table(report), row=1, col=1)
    figure.add_trace(_shares(report), row=2, col=1)
    figure.add_trace(_cells("players", players, ".3f"), row=2, col=2)
    figure.add_trace(_cells("correlations", report.correlations, ".2f"), row=2, col=3)
    minutes = report.seconds / 60
    note = (
        f"{report.car_steps:,} car-steps, {minutes:.1f} car-minutes; what each car earns itself, "
        "shares after team spirit"
    )
    figure.update_layout(
        template="none",
        font=FONT,
        width=width,
        height=table + panels + between + _HEAD + _NAMES,
        margin={"l": _LABELS, "r": _GAP, "t": _HEAD, "b": _NAMES},
        title={
            "text": f"<b>{plain_text(title)}</b><br>"
            f"<span style='font-size:12px;color:{MUTED}'>{note}</span>",
            "x": 0.01,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 24},
        },
        paper_bgcolor="white",
        plot_bgcolor="white",
    )
    figure.update_xaxes(tickfont={"size": 11}, linecolor=LINE, showgrid=False, zeroline=False)
    figure.update_xaxes(tickangle=-50, col=2)
    figure.update_xaxes(tickangle=-50, col=3)
    figure.update_xaxes(tickformat=".0%", col=1)
    figure.update_yaxes(autorange="reversed", showgrid=False, zeroline=False, tickfont={"size": 11})
    return figure


def _table(report: Report) -> go.Table:
    rows = report.components.reset_index()
    columns = [[_text(key, value) for value in rows[key]] for key in _TABLE]
    return go.Table(
        name="statistics",
        columnwidth=[3.4, 1.2, *[1] * (len(_TABLE) - 2)],
        header={
            "values": [f"<b>{heading}</b>" for heading in _TABLE.values()],
            "align": ["left", "left", "right"],
            "fill": {"color": "white"},
            "font": {"size": 11, "color": MUTED},
            "line": {"color": LINE, "width": 0.5},
            "height": _ROW,
        },
        cells={
            "values": columns,
            "align": ["left", "left", "right"],
            "fill": {"color": "white"},
            "font": {"size": 11, "color": INK},
            "line": {"color": LINE, "width": 0.5},
            "height": _ROW,
        },
    )


def _text(key: str, value: str | float) -> str:
    if isinstance(value, str):
        return plain_text(value)
    if not np.isfinite(value):
        return ""
    if key in ("density", "share"):
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _shares(report: Report) -> go.Bar:
    shares = report.components["share"]
    return go.Bar(
        name="share",
        orientation="h",
        x=shares.to_numpy(),
        y=[plain_text(str(name)) for name in shares.index],
        text=[f"{share:.1%}" for share in shares],
        textposition="auto",
        marker={"color": MUTED},
        showlegend=False,
        hovertemplate="%{y}: %{x:.2%}<extra></extra>",
    )


def _cells(name: str, values: pd.DataFrame, form: str) -> go.Heatmap:
    """A table of signed numbers as coloured cells."""
    numbers = values.to_numpy(np.float64)
    reach = np.nanmax(np.abs(numbers), initial=0.0)
    colours, low, high = colour_scale(-reach, reach)
    return go.Heatmap(
        name=name,
        z=numbers,
        x=[plain_text(str(column)) for column in values.columns],
        y=[plain_text(str(name)) for name in values.index],
        text=[[_number(number, form) for number in row] for row in numbers],
        texttemplate="%{text}",
        textfont={"size": 10},
        colorscale=colours,
        zmin=low,
        zmax=high,
        showscale=False,
        xgap=1,
        ygap=1,
        hovertemplate="%{y}, %{x}: %{z:.4g}<extra></extra>",
    )


def _number(number: float, form: str) -> str:
    text = f"{number:{form}}" if np.isfinite(number) else ""
    return text.removeprefix("-") if text and float(text) == 0 else text
