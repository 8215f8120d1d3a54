"""Names on the pages: as they are, and never two bots by one."""

import shlex
from pathlib import Path
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from dash import html

from lucy.agent.store import Goal, Match, Store
from lucy.dashboard.data.matchups import standings
from lucy.dashboard.data.sources import Sources
from lucy.dashboard.figures.matchups import games_figure, goals_figure, matrix_figure
from lucy.dashboard.figures.shares import shares_figure, sides_figure
from lucy.dashboard.figures.timeline import timeline_figure
from lucy.dashboard.pages import matchups, play, reward, runs

STEP = "checkpoints/step-000000000064"
HERE, THERE = f"/u/runs/a/{STEP}", f"/u/other/a/{STEP}"
MARKED = "<b>a</b> & <br>[x](y) %{z}"
SHOWN = "&lt;b&gt;a&lt;/b&gt; &amp; &lt;br&gt;[x](y) %{z}"


def game(first: str, second: str, score: tuple[int, int], number: int = 0) -> Match:
    goals = tuple(
        Goal(10.0 * i, by_first, 2000.0)
        for by_first, count in ((True, score[0]), (False, score[1]))
        for i in range(count)
    )
    return Match((first, second), "1v1", 0, number, number % 2 == 0, 300.0, score, goals)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    url = str(tmp_path / "lucy.db")
    with Store.open(url) as store:
        store.add_matches([game("chaser", "chaser", (3, 1), number) for number in range(4)])
        store.add_matches([game(HERE, THERE, (2, 0)), game(THERE, "chaser", (1, 5))])
        store.add_matches([game(MARKED, "chaser", (0, 1))])
    return Sources.of(url, tmp_path)


def parts(page: Any, kind: type) -> list[Any]:
    return [part for part in page._traverse() if isinstance(part, kind)]


def test_a_bot_against_itself_has_two_sides(sources: Sources) -> None:
    pair = ("chaser", "chaser")
    goals = sources.matchups.goals("1v1", pair)
    assert goals["is_own"].sum() == 4 * 3
    assert len(goals) == 4 * 4
    bars = goals_figure(goals, ("chaser", "chaser (2)"), 300.0)["data"]
    assert [bar["name"] for bar in bars] == ["chaser", "chaser", "chaser (2)", "chaser (2)"]
    assert len({bar["legendgroup"] for bar in bars}) == 2
    games = sources.matchups.games("1v1", pair)
    assert (games["goals"].sum(), games["conceded"].sum()) == (12, 4)
    table = standings(sources.matchups.pairings("1v1"), sources.matchups.ratings("1v1"))
    (chaser,) = [row for row in table if row.bot == "chaser"]
    assert (chaser.games, chaser.won, chaser.lost) == (2, 2, 0)  # none of those against itself


def test_only_games_against_itself(tmp_path: Path) -> None:
    url = str(tmp_path / "lucy.db")
    with Store.open(url) as store:
        store.add_matches([game("idle", "idle", (1, 0))])
    page: Any = matchups.page(Sources.of(url, tmp_path)).layout({})
    named = [span.children for span in parts(page, html.Span)]
    assert named[:2] == ["idle", "idle (2)"]
    (grid,) = parts(page, dag.AgGrid)
    assert [row["label"] for row in grid.rowData] == ["idle"]


def test_runs_of_one_name_are_told_apart(sources: Sources) -> None:
    page: Any = matchups.page(sources).layout({"pair": f"{HERE}\n{THERE}"})
    (grid,) = parts(page, dag.AgGrid)
    labels = {row["bot"]: row["label"] for row in grid.rowData}
    assert labels == {
        "chaser": "chaser",
        HERE: "runs/a @ 64",
        THERE: "other/a @ 64",
        MARKED: MARKED,
    }
    (pairs,) = [s.data for s in parts(page, dmc.Select) if s.label == "Pairing"]
    said = {pair["label"] for pair in pairs}
    assert "other/a @ 64 against runs/a @ 64 (1 games)" in said
    assert len(said) == len(pairs)


def test_figures_show_names_as_they_are(sources: Sources) -> None:
    pairings = sources.matchups.pairings("1v1")
    matrix = matrix_figure(pairings, [MARKED, "chaser"])
    assert matrix["layout"]["xaxis"]["ticktext"] == [SHOWN, "chaser"]
    (cells,) = matrix["data"]
    shown = [cell for row in cells["customdata"] for cell in row if cell]
    assert [MARKED, "chaser", SHOWN, "chaser"] in [list(cell) for cell in shown]
    games = sources.matchups.games("1v1", (MARKED, "chaser"))
    assert games_figure(games, [MARKED, "chaser"])["data"][0]["name"] == SHOWN
    assert sides_figure(["x"], [(MARKED, np.ones(1))])["data"][0]["name"] == SHOWN
    events = timeline_figure([MARKED], np.ones((50, 1)), 0.1, [], 0, "sum")["data"]
    assert events[-1]["name"] == SHOWN
    assert MARKED not in events[-1]["hovertemplate"]
    statistics = pd.DataFrame({"component": [MARKED], "steps": [1], "share": [1.0]})
    assert shares_figure(statistics)["data"][0]["name"] == SHOWN
    for figure in (matrix, games_figure(games, [MARKED, "chaser"])):
        go.Figure(figure)


def test_long_names_that_would_be_cut_alike_stay_whole(sources: Sources) -> None:
    long = ["one " + "x" * 30, "two " + "x" * 30]
    games = sources.matchups.games("1v1", (MARKED, "chaser"))
    assert [bar["name"] for bar in games_figure(games, long)["data"]] == long
    assert games_figure(games, [long[0], "b"])["data"][0]["name"] == "…" + "x" * 25


@pytest.mark.parametrize("module", [runs, reward, matchups, play])
def test_commands_on_empty_pages_can_be_pasted(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("my runs [old]") / "it's"
    folder.mkdir(parents=True)
    url = str(folder / "lucy.db")
    Store.open(url).close()
    page: Any = module.page(Sources.of(url, folder)).layout({})
    commands = [shlex.split(part.children) for part in parts(page, html.Pre)]
    assert commands
    for words in commands:
        assert words[0] == "lucy"
        assert any(Path(word).parts[:2] == folder.parts for word in words)
        assert "--store" not in words or words[words.index("--store") + 1] == url


def test_no_page_shows_a_password(tmp_path: Path) -> None:
    sources = Sources.of("postgresql://me:secret@host/lucy", tmp_path)
    assert sources.store.shown == "postgresql://me:***@host/lucy"
