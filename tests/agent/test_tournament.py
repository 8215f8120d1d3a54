"""Tournaments: the same table however they are stopped, and one error before anybody plays."""

import io
import json
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from lucy.agent import tournament as tournaments
from lucy.agent.match import play
from lucy.agent.store import Store, readers
from lucy.agent.tournament import TournamentError, arrange
from lucy.agent.tournament_report import (
    keep_ratings,
    play_with_progress,
    report,
    table,
    to_json,
    verdicts,
)

from .test_cli import lucy
from .tournament_under_fire import small

KILLS = int(os.environ.get("LUCY_TOURNAMENT_KILLS", "4"))
WORKER = Path(__file__).with_name("tournament_under_fire.py")
GAME_COLUMNS = ["first", "second", "seed", "game", "first_goals", "second_goals", "figures"]


def played(store: Path) -> tuple[dict[str, Any], list[Any], list[Any]]:
    """Table, games and ratings of the small tournament in a store."""
    with Store.open(str(store), create=False) as opened:
        figures = to_json(report(small(), opened))
        games = readers.read_matches(opened)[GAME_COLUMNS].to_numpy().tolist()
        ratings = readers.read_ratings(opened)[["bot", "mode", "mu", "sigma", "games"]]
    return figures, sorted(games, key=str), ratings.to_numpy().tolist()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tournament") / "lucy.db"
    with Store.open(str(path)) as store:
        play_with_progress(small(), store, Console(quiet=True))
        keep_ratings(report(small(), store), store)
    return path


def start_playing(store: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-W", "error", str(WORKER), str(store)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline().strip() == b"playing"
    return process


def test_killed_at_random_moments_it_gives_the_table_of_an_unbroken_one(
    unbroken: Path, tmp_path: Path
) -> None:
    store = tmp_path / "lucy.db"
    draw = random.Random(0)
    killed = 0
    for _ in range(KILLS):
        with start_playing(store) as process:
            time.sleep(draw.expovariate(1 / 0.5))
            process.kill()
        killed += process.returncode != 0
    with start_playing(store) as process:
        pass
    assert process.returncode == 0
    assert killed > KILLS / 2, "most were killed while they played"
    assert played(store) == played(unbroken)


def test_a_stopped_one_goes_on_and_more_games_are_added(unbroken: Path, tmp_path: Path) -> None:
    store = tmp_path / "lucy.db"
    with Store.open(str(store)) as opened:
        for games in (3, 25, 42):  # within a batch, and beyond it
            play_with_progress(replace(small(), games=games), opened, Console(quiet=True))
            assert len(readers.read_matches(opened)) == 3 * games
        keep_ratings(report(small(), opened), opened)
        keep_ratings(report(small(), opened), opened)
    assert played(store) == played(unbroken)


def test_other_names_orders_and_bots_share_their_games(unbroken: Path, tmp_path: Path) -> None:
    store = tmp_path / "lucy.db"
    shutil.copy(unbroken, store)
    with Store.open(str(store)) as opened:
        for bots, anchors in ((["idle", "chaser"], []), (["random"], ["idle"])):
            turned = replace(arrange(bots, anchors, games=42, seed=5), seconds=6.0)
            (pairing,) = turned.results(opened)
            assert len(pairing.goals) == 42
        for change in ({"seed": 6}, {"mode": "2v2"}, {"seconds": 3.0}, {"deterministic": True}):
            (_, *_, last) = replace(small(), **change).results(opened)
            assert not len(last.goals)


def test_a_batch_is_a_match_that_can_be_played_again(unbroken: Path) -> None:
    tournament = small()
    with Store.open(str(unbroken), create=False) as store:
        matches = readers.read_matches(store, ("chaser", "random"))
    second = matches[matches["seed"] == tournament.batch_seed(1)]
    first_bot, second_bot = (tournament.entrants[bot].bot for bot in tournament.pairs[0])
    assert second["first"].unique().tolist() == [first_bot.name]
    again = play(first_bot, second_bot, games=20, seed=tournament.batch_seed(1), seconds=6.0)
    np.testing.assert_array_equal(
        again.figures["touches"], [figures["touches"] for figures in second["figures"]]
    )


def test_anchors_are_played_in_place_of_one_another() -> None:
    arranged = arrange(["chaser", "random"], ["idle"])
    names = [{arranged.entrants[a].name, arranged.entrants[b].name} for a, b in arranged.pairs]
    assert names == [{"chaser", "idle"}, {"random", "idle"}]


def test_a_run_stands_for_its_newest_checkpoint(trained_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    (entrant,) = tournaments.enter([str(run)])
    assert entrant.name == str(run / "checkpoints" / "step-000000000192")
    assert entrant.label == f"{run.name} @ 192"
    assert entrant.checkpoint == (run, 192)
    arranged = replace(arrange([str(run), "chaser"], games=2), seconds=1.0)
    with Store.open(str(tmp_path / "lucy.db")) as store:
        number = store.start_run(run, config={}).id
        play_with_progress(arranged, store, Console(quiet=True))
        keep_ratings(report(arranged, store), store)
        ratings = readers.read_ratings(store)
        (summary,) = readers.list_runs(store)
    assert ratings["bot"].tolist() == [entrant.name]  # the chaser's is fixed
    assert ratings[["run_id", "steps", "games"]].to_numpy().tolist() == [[number, 192, 2]]
    assert summary.ratings["1v1"].mu == ratings["mu"][0]


def test_the_table_and_what_it_says(unbroken: Path) -> None:
    with Store.open(str(unbroken), create=False) as store:
        told = report(small(), store)
    console = Console(width=120, file=io.StringIO())
    console.print(table(told))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    chaser = next(place for place in told.places if place.entrant.name == "chaser")
    won, drawn, lost, goals, conceded = chaser.standing[:5]
    assert won > 10
    assert goals > 3 * conceded
    for text in ("42 games of 0.1 minutes", "0.0 fixed", f"{won}-{drawn}-{lost}", "%"):
        assert text in shown
    assert len(verdicts(told)) == 2
    assert json.loads(json.dumps(to_json(told), allow_nan=False)) == to_json(told)


def test_ctrl_c_keeps_what_was_played_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tournaments, "GAMES_AT_ONCE", 2)
    real, arranged = tournaments.play, tournaments.arrange
    monkeypatch.setattr(
        tournaments, "arrange", lambda *args, **kw: replace(arranged(*args, **kw), seconds=1.0)
    )
    calls = []

    def stopped(*args: Any, **kwargs: Any) -> Any:
        calls.append(kwargs["seed"])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(tournaments, "play", stopped)
    command = ["tournament", "chaser", "idle", "--games", "6", "--json", "out.json"]
    status, out, err = lucy(capsys, *command)
    assert (status, err) == (130, "")
    assert "Stopped after 4 of 6 games, which are in runs/lucy.db" in out
    status, out, err = lucy(capsys, *command)
    assert (status, err) == (0, "")
    assert len(calls) == 4
    data = json.loads(Path("out.json").read_text("utf-8"))
    assert len(data["pairings"][0]["goals"]) == 6
    assert {bot["bot"] for bot in data["bots"]} == {"chaser", "idle"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chaser"], "takes two bots or more, got ['chaser']"),
        (["chaser", "idle", "chaser"], "'chaser' and 'chaser' are the same bot"),
        (["chaser", "idle", "--anchor", "idle"], "'idle' and 'idle' are the same bot"),
        (["chaser", "randm"], "unknown bot 'randm' (did you mean 'random'"),
        (["chaser", "."], "a Lucy checkpoint with checkpoint.json, or a run directory"),
        (["chaser", "idle", "--store", "no/such/lucy.db"], "in a folder that exists"),
        (["chaser", "idle", "--store", "a://b"], "expected a store such as lucy.db"),
    ],
)
def test_bad_input_is_one_error_before_anybody_plays(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tournaments, "play", None)
    status, out, err = lucy(capsys, "tournament", *arguments)
    assert (status, out) == (1, "")
    assert err.startswith("lucy: ")
    assert message in err


def test_the_same_run_twice_is_one_bot(trained_run: Path) -> None:
    newest = trained_run / "checkpoints" / "step-000000000192"
    with pytest.raises(TournamentError, match="are the same bot: name each bot once"):
        arrange([str(trained_run), str(newest)])
