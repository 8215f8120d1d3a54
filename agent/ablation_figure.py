"""The picture of an ablation: learning curves with intervals."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..rewards.drawing import FONT, plain_text
from .ablation_report import CURVES, Outcome, by_preset, smoothed

# Okabe and Ito's, without black and yellow: told apart by everybody
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ("solid", "dash", "dot", "dashdot")  # when there are more presets than colours
_WIDTH, _HEIGHT = 1000, 700


def curves_figure(outcomes: Sequence[Outcome], title: str) -> go.Figure:
    """A panel a metric of `CURVES`, a line a preset, a band where there are several seeds.

    Traces are named after their preset; a band comes before its line.
    """
    figure = make_subplots(2, 2, subplot_titles=list(CURVES.values()), vertical_spacing=0.14)
    for number, (preset, runs) in enumerate(by_preset(outcomes).items()):
        colour = _COLOURS[number % len(_COLOURS)]
        dash = _DASHES[number // len(_COLOURS) % len(_DASHES)]
        for panel, metric in enumerate(CURVES):
            for trace in _traces(preset, runs, metric, colour, dash):
                trace.showlegend = trace.showlegend and panel == 0
                figure.add_trace(trace, row=1 + panel // 2, col=1 + panel % 2)
    figure.update_xaxes(rangemode="tozero")
    figure.update_xaxes(title="agent-steps", row=2)
    figure.update_layout(
        title=title,
        font=FONT,
        width=_WIDTH,
        height=_HEIGHT,
        template="plotly_white",
        legend={"orientation": "h", "y": -0.12},
    )
    return figure


def _traces(
    preset: str, runs: Sequence[Outcome], metric: str, colour: str, dash: str
) -> list[go.Scatter]:
    steps, curve = smoothed(runs, metric)
    mean, low, high = np.transpose(curve)
    group = {"name": plain_text(preset), "legendgroup": preset}
    line = go.Scatter(
        x=steps,
        y=mean,
        mode="lines",
        line={"color": colour, "dash": dash, "width": 2},
        showlegend=True,
        **group,
    )
    if len(runs) == 1:
        return [line]
    band = go.Scatter(
        x=[*steps, *steps[::-1]],
        y=[*high, *low[::-1]],
        fill="toself",
        fillcolor=colour,
        opacity=0.18,
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        **group,
    )
    return [band, line]
