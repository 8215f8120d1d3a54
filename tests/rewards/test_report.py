"""A report's statistics against plain pandas and against play made by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from lucy.rewards.evaluate import evaluate_recording, join_evaluations
from lucy.rewards.report import Report, reward_report, to_json
from lucy.rewards.report_figure import report_figure
from lucy.rewards.spec import load_spec

from .play import random_recording

SECONDS = 8 / 120

# Blue has two cars of one name in each game, which stay apart
PLAYERS = {"ann", "ann (2)", "ann 2", "bob", "bob (2)", "bob 2"}


@pytest.fixture(scope="module")
def table(random_states) -> pd.DataFrame:
    spec = load_spec("lucy-skg")
    return join_evaluations(
        [evaluate_recording(spec, random_recording(random_states, seed)) for seed in (0, 1)]
    )


@pytest.fixture(scope="module")
def report(table) -> Report:
    return reward_report(table, SECONDS)


@pytest.mark.parametrize("by", [None, "team", "player"])
def test_statistics_equal_plain_pandas(table, report: Report, by: str | None) -> None:
    keys = [by, "component"] if by else ["component"]
    groups = table.astype({"undistributed": float, "reward": float, "value": float}).groupby(
        keys, observed=True
    )
    found = {None: report.components, "team": report.teams, "player": report.players}[by]
    paid, mass = groups["undistributed"], groups["reward"].apply(lambda x: x.abs().sum())
    whole = mass.groupby(level=0).transform("sum") if by else mass.sum()
    twin = {
        "per_second": paid.mean() / SECONDS,
        "min": paid.min(),
        "max": paid.max(),
        "mean": paid.mean(),
        "deviation": paid.std(ddof=0),
        "density": paid.apply(lambda x: (x != 0).mean()),
        "positives": paid.apply(lambda x: (x > 0).sum()),
        "positive_mean": paid.apply(lambda x: x[x > 0].mean()),
        "negatives": paid.apply(lambda x: (x < 0).sum()),
        "negative_mean": paid.apply(lambda x: x[x < 0].mean()),
        "value_min": groups["value"].min(),
        "value_max": groups["value"].max(),
        "value_mean": groups["value"].mean(),
        "reward_per_second": groups["reward"].mean() / SECONDS,
        "share": mass / whole,
    }
    assert set(found.columns) == {*twin, "kind"}
    for name, expected in twin.items():
        np.testing.assert_allclose(
            found[name], expected.reindex(found.index), rtol=1e-9, atol=1e-12, err_msg=name
        )
    sums = found["share"].groupby(level=0).sum() if by else pd.Series([found["share"].sum()])
    np.testing.assert_allclose(sums, 1)


def test_correlations_equal_plain_pandas(table, report: Report) -> None:
    wide = table.pivot_table(
        index=["game", "step", "car"], columns="component", values="undistributed", observed=True
    )
    expected = wide.astype(float).corr()
    names = list(report.correlations.index)
    np.testing.assert_allclose(report.correlations, expected.loc[names, names], atol=1e-9)


def test_car_seconds_and_steps(table, report: Report) -> None:
    assert report.car_steps == len(table) / len(report.components)
    assert report.seconds == pytest.approx(report.car_steps * SECONDS)


def by_hand(series: dict[str, list[float]], cars: int = 1) -> pd.DataFrame:
    """What terms paid step by step; with several cars each the same."""
    steps = len(next(iter(series.values())))
    rows = [
        (0, step, step * SECONDS, car, f"p{car}", "blue", name, *[series[name][step]] * 4)
        for step in range(steps)
        for car in range(cars)
        for name in series
    ]
    columns = ["game", "step", "time", "car", "player", "team", "component"]
    columns += ["value", "weighted", "undistributed", "reward"]
    return pd.DataFrame(rows, columns=columns).astype(
        dict.fromkeys(("player", "team", "component"), "category")
    )


def test_dense_sparse_and_stretches() -> None:
    stretch = [0.0] * 20 + [1.0] * 5 + [0.0] * 20 + [-2.0] * 6 + [0.0] * 49
    series = {
        "dense": [0.5, 0.0] * 50,
        "stretches": stretch,
        "sparse": [1.0, *[0.0] * 9] * 10,
        "never": [0.0] * 100,
    }
    report = reward_report(by_hand(series, cars=2), SECONDS)
    assert dict(report.components["kind"]) == {name: name for name in series}
    assert report.components.loc["stretches", "density"] == pytest.approx(0.11)
    assert report.amounts["stretches"] == {-2.0: 12, 1.0: 10}
    assert "never" not in report.amounts
    assert report.correlations.loc["never"].isna().all()


def test_runs_of_one_car_do_not_go_on_in_another() -> None:
    # Where one car's steps end and the next one's begin, two runs of 3 would make one of 6
    series = {"short": [1.0] * 3 + [0.0] * 14 + [1.0] * 3}
    assert reward_report(by_hand(series, 4), SECONDS).components.loc["short", "kind"] == "sparse"


def test_an_empty_table_is_refused(table) -> None:
    with pytest.raises(ValueError, match="no step that pays"):
        reward_report(table.iloc[:0], SECONDS)


def test_json_has_every_figure_and_no_nan(report: Report) -> None:
    data = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert data["car_steps"] == report.car_steps
    assert set(data["teams"]) == {"blue", "orange"}
    assert set(data["players"]) == PLAYERS
    share = report.players.loc[("ann", "event_goal"), "share"]
    assert data["players"]["ann"]["event_goal"]["share"] == pytest.approx(share)
    assert data["components"]["event_concede"]["positive_mean"] is None
    assert data["correlations"]["event_goal"]["event_goal"] == pytest.approx(1)


def test_the_figure_shows_the_report(report: Report) -> None:
    figure = report_figure(report, "<lucy> & co")
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces) == ["statistics", "share", "players", "correlations"]
    np.testing.assert_allclose(traces["share"].x, report.components["share"])
    assert list(traces["players"].x) == sorted(PLAYERS)
    assert list(traces["statistics"].cells["values"][0]) == list(report.components.index)
    assert "&lt;lucy&gt; &amp; co" in figure.layout.title.text
    # Signed cells: zero has the neutral middle colour
    assert traces["players"].zmin == -traces["players"].zmax
