"""A name means one bot, and bots of equal names stay apart, from the command to the store."""

import json
import shutil
from pathlib import Path

import pytest

from lucy.agent.opponents import folder_notice, make_bot
from lucy.agent.store import Match, Store, StoreError, readers
from lucy.agent.tournament import arrange
from lucy.agent.tournament_report import report, table, verdicts
from lucy.agent.train import train
from lucy.sim.recording import load_recording

from .conftest import tiny_config
from .test_cli import lucy

STEP = Path("checkpoints") / "step-000000000192"


@pytest.fixture(scope="module")
def other_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "other"
    train(tiny_config(seed=1), path)
    return path


@pytest.fixture
def runs(trained_run: Path, other_run: Path, tmp_path: Path) -> Path:
    """Two runs of one name, and a folder that is called as a script is."""
    shutil.copytree(trained_run, tmp_path / "runs" / "a")
    shutil.copytree(other_run, tmp_path / "other" / "a")
    shutil.copytree(trained_run, tmp_path / "chaser")
    return tmp_path


def test_a_checkpoint_has_one_name_wherever_it_is_named(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(runs / "runs" / "a" / STEP)
    monkeypatch.chdir(runs)
    for given in ("runs/a", f"runs/a/{STEP}", "other/../runs/a", name):
        assert make_bot(given).name == name
        assert arrange([given, "idle"]).entrants[0].name == name
    monkeypatch.chdir(runs / "runs")
    assert make_bot("a").name == name


def test_a_folder_called_as_a_script(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    assert make_bot("chaser").name == "chaser"
    assert make_bot("./chaser").name == str(runs / "chaser" / STEP)
    said = folder_notice("chaser")
    assert said == "'chaser' is the bot of that name; for the folder, say ./chaser"
    assert folder_notice("./chaser") is folder_notice("idle") is folder_notice("runs/a") is None


def test_runs_of_one_name_stay_apart_in_a_tournament(runs: Path) -> None:
    arranged = arrange([str(runs / "runs" / "a"), str(runs / "other" / "a"), "idle"])
    assert len({entrant.name for entrant in arranged.entrants}) == 3
    assert len({arranged.key(pairing) for pairing in range(3)}) == 3
    with Store.open(str(runs / "lucy.db")) as store:
        shown = report(arranged, store)
    column = list(table(shown).columns[0].cells)
    assert sorted(column) == ["idle", "other/a @ 192", "runs/a @ 192"]
    assert all(line.count("a @ 192") <= 2 for line in verdicts(shown))


def test_a_match_of_a_bot_against_itself(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(runs)
    command = ("match", "chaser", "chaser", "--mode", "2v2", "--games", "2", "--store", "m.db")
    status, out, err = lucy(capsys, *command, "--record", "m.npz", raw=True)
    assert (status, err) == (0, "")
    assert "for the folder, say ./chaser" in out
    head = next(line for line in out.splitlines() if "chaser (2)" in line)
    assert head.split("┃")[2].strip() == "chaser"
    games = load_recording(runs / "m.npz").metadata.games
    assert [(game.blue, game.orange) for game in games] == [
        ("chaser", "chaser (2)"),
        ("chaser (2)", "chaser"),
    ]
    with Store.open("m.db") as store:
        stored = readers.read_matches(store)
    assert set(stored["first"]) == set(stored["second"]) == {"chaser"}  # one bot, it is
    status, out, err = lucy(capsys, "rewards", "eval", "m.npz", "-o", "m.csv", raw=True)
    assert (status, err) == (0, "")
    players = [line.split("  ")[0].strip() for line in out.splitlines() if "chaser" in line]
    assert sorted(players) == ["chaser", "chaser (2)", "chaser (2) (2)", "chaser (3)"]


def test_a_match_stores_the_checkpoint_and_not_the_run(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(runs)
    command = ("match", "runs/a", "other/a", "--games", "1", "--store", "m.db", "--json", "m.json")
    status, out, err = lucy(capsys, *command)
    assert (status, err) == (0, "")
    assert "runs/a @ 192" in out
    assert "other/a @ 192" in out
    names = [str(runs / "runs" / "a" / STEP), str(runs / "other" / "a" / STEP)]
    with Store.open("m.db") as store:
        stored = readers.read_matches(store).iloc[0]
    assert [stored["first"], stored["second"]] == names
    assert json.loads(Path("m.json").read_text("utf-8"))["bots"] == names


def test_a_name_that_no_store_can_keep_is_refused(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "m.db")) as store:
        game = Match(("caf\udce9", "idle"), "1v1", 0, 0, True, 300.0, (0, 0))
        with pytest.raises(
            StoreError, match=r"m\.db: expected names that are text, but 'caf.udce9'"
        ):
            store.add_matches([game])
        assert readers.read_matches(store).empty
