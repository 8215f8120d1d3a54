"""What the pages draw is what Plotly understands; the dashboard itself does not check it."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from dash import dcc

from lucy.dashboard.data.sources import Sources
from lucy.dashboard.figures import curves
from lucy.dashboard.figures.curves import SECTIONS
from lucy.dashboard.figures.shares import STATISTIC_NAMES
from lucy.dashboard.pages import matchups, play, reward, runs

QUERIES: list[tuple[Any, dict[str, str]]] = [
    *((runs, {"runs": "1,2", "show": section, "seeds": "true"}) for section in SECTIONS),
    (runs, {"runs": "1,2", "by": "hours", "smooth": "3"}),
    *((reward, {"statistic": statistic}) for statistic in STATISTIC_NAMES),
    (reward, {"source": "r1"}),
    (play, {"source": "r1", "style": "rate"}),
    (play, {"source": "r1", "style": "sum"}),
    (matchups, {"mode": "1v1"}),
    (matchups, {"mode": "3v3"}),
]


@pytest.mark.parametrize(("module", "query"), QUERIES)
def test_figures_are_valid(module: Any, query: dict[str, str], sources: Sources) -> None:
    page: Any = module.page(sources).layout(query)
    graphs = [part for part in page._traverse() if isinstance(part, dcc.Graph)]
    assert graphs
    for graph in graphs:
        go.Figure(graph.figure)  # type: ignore[attr-defined]


def test_a_run_of_one_iteration_is_seen() -> None:
    steps = pd.Series([1.0, 2.0])
    assert curves._line(steps[:1], steps[:1], 0, "one")["mode"] == "markers"
    assert curves._line(steps, steps, 0, "two")["mode"] == "lines"
