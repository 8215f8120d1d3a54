"""`lucy rewards eval`, `report` and `surface` as a user types them."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lucy.agent.cli import main
from lucy.agent.reward_analysis import AnalysisError, find_play
from lucy.sim.recording import (
    RecordedGame,
    Recorder,
    Recording,
    RecordingMetadata,
    save_recording,
)
from lucy.sim.state import allocate, team_slots


def lucy(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command in this process: exit status, output and errors, each on one line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lucy", *arguments])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
    out, err = capsys.readouterr()
    return status, " ".join(out.split()), " ".join(err.split())


def save_game(path: Path, steps: int = 40, tick_skip: int = 8) -> Path:
    """A 1v1 in which the ball rolls to orange's goal and blue scores on the last step."""
    states = allocate(np.ones((1, 2), np.bool_), team_slots(1))
    states.car_position[0] = [(0, -2000, 17), (500, 4000, 17)]
    states.car_forward[0] = [(0, 1, 0), (0, -1, 0)]
    states.ball_linear_velocity[0] = (0, 1500, 0)
    recorder = Recorder()
    for step in range(steps):
        states.episode_start[0] = step == 0
        states.ball_position[0] = (0, 100 * step, 93)
        states.score[0, 0] = states.car_goals[0, 0] = step > 0 and step == steps - 1
        recorder.append(states)
    players = ["ann", "[b]ob"]
    game = RecordedGame(
        start=0, stop=steps, blue="ann", orange="bob", players=players, score=(1, 0)
    )
    metadata = RecordingMetadata(source="test", mode="1v1", tick_skip=tick_skip, games=[game])
    save_recording(path, Recording(recorder.states(), metadata))
    return path


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_game(tmp_path_factory.mktemp("play") / "game.npz")


def test_eval_writes_a_tidy_table(game: Path, tmp_path: Path, capsys) -> None:
    table, figures = tmp_path / "new" / "out.parquet", tmp_path / "out.json"
    command = ["rewards", "eval", str(game), "--spec", "lucy-skg", "-o", str(table)]
    status, out, err = lucy(capsys, *command, "--json", str(figures))
    assert (status, err) == (0, "")
    assert "1,014 rows written to" in out  # 39 steps, 2 cars, 13 components
    assert "[b]ob" in out
    read = pd.read_parquet(table)
    assert len(read) == 1014
    goal = read[(read.component == "event_goal") & (read.undistributed != 0)]
    assert [(row.player, row.step, row.weighted) for row in goal.itertuples()] == [("ann", 39, 10)]
    data = json.loads(figures.read_text("utf-8"))
    assert data["players"]["ann"]["steps"] == 39
    ann = read[read.player == "ann"]
    assert data["players"]["ann"]["reward"] == pytest.approx(float(ann.reward.sum()), abs=1e-4)


def test_report_prints_writes_and_draws(game: Path, tmp_path: Path, capsys) -> None:
    save_game(tmp_path / "play" / "other.npz", steps=20)
    page, figures = tmp_path / "report.html", tmp_path / "report.json"
    files = [str(game), str(tmp_path / "play" / "*.npz"), str(tmp_path / "play")]
    command = ["rewards", "report", *files, "--spec", "lucy-skg", "-o", str(page)]
    status, out, err = lucy(capsys, *command, "--json", str(figures))
    assert (status, err) == (0, "")
    assert "116 car-steps, 0.1 car-minutes" in out
    assert "event_goal sparse 1.72%" in out
    assert "[b]ob" in out
    assert "lucy-skg on 2 recordings" in page.read_text("utf-8")
    data = json.loads(figures.read_text("utf-8"))
    assert data["components"]["event_goal"]["positives"] == 2
    assert data["amounts"]["event_goal"] == {"10": 2}
    assert len(data["files"]) == 2


def test_surface_draws_panels(tmp_path: Path, capsys) -> None:
    page = tmp_path / "surface.html"
    status, out, err = lucy(
        capsys,
        *("rewards", "surface", "distance_player_to_ball", "-o", str(page), "--move", "car"),
        *("--vary", "dispersion=0.5,2", "--vary", "density=0.5,1,2", "--ball", "-100,0,93"),
    )
    assert (status, err) == (0, "")
    assert "Picture written to" in out
    text = page.read_text("utf-8")
    assert "dispersion = 0.5, density = 1" in text
    assert "ball at (-100, 0, 93), at rest" in text


def test_surface_draws_a_reward_and_one_of_its_terms(tmp_path: Path, capsys) -> None:
    for extra in ([], ["--term", "offensive_potential", "--axes", "yz"]):
        page = tmp_path / "surface.html"
        command = ["rewards", "surface", "lucy-skg", "-o", str(page), "--opponent", "0,3000,17"]
        status, _, err = lucy(capsys, *command, *extra)
        assert (status, err) == (0, "")
        assert f"lucy-skg{': offensive_potential' if extra else ''}" in page.read_text("utf-8")


def test_play_is_found_in_any_case_and_depth(tmp_path: Path) -> None:
    names = ["2025/may/GAME.REPLAY", "2025/notes.txt", "A.NPZ", "b.npz"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    game, _, a, b = (tmp_path / name for name in names)
    assert find_play([str(tmp_path)]) == [game, a, b]
    assert find_play([str(tmp_path / "*.npz")]) == [a, b]
    with pytest.raises(
        AnalysisError, match=r"the only file there, notes.txt, does not end in .npz"
    ):
        find_play([str(tmp_path / "2025" / "*.txt")])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eval", "nowhere.npz", "-o", "a.csv"], "nowhere.npz: expected a recording"),
        (["eval", "nowhere.replay", "-o", "a.csv"], "nowhere.replay: cannot be read"),
        (["eval", "NOWHERE.REPLAY", "-o", "a.csv"], "NOWHERE.REPLAY: cannot be read"),
        (["eval", "GAME", "-o", "a.xlsx"], "a.xlsx: expected a file name that ends in .parquet"),
        (["eval", "GAME", "-o", "a.csv", "--spec", "lucy"], "unknown reward 'lucy'"),
        (["eval", "ONE", "-o", "a.csv"], "has no step that pays"),
        (["report", "nowhere/*.npz"], "nowhere/*.npz: no such file; expected recordings"),
        (["report", "GAME", "-o", "a.pdf"], "a.pdf: expected a file name that ends in .html"),
        (["report", "GAME", "SLOW"], "has steps of 4 ticks and"),
        (["surface", "face_bal", "-o", "a.html"], "'face_bal' (did you mean 'face_ball'?)"),
        (["surface", "lucy-sgk", "-o", "a.html"], "(did you mean 'lucy-skg'?)"),
        (["surface", "my.toml", "-o", "a.html"], "cannot read the reward file my.toml"),
        (["surface", "face_ball", "-o", "a.svg"], "a.svg: expected a file name that ends in .html"),
        (["surface", "face_ball", "-o", "."], "expected a file name"),
        (["surface", "event_goal", "-o", "a.html"], "event_goal is 0 wherever the ball is"),
        (
            ["surface", "distance_player_to_ball", "-o", "a.html", "--set", "densty=2"],
            "no parameter 'densty' (did you mean 'density'?)",
        ),
        (
            ["surface", "distance_player_to_ball", "-o", "a.html", "--vary", "density=1,0"],
            "density must be above 0, got 0",
        ),
        (
            ["surface", "face_ball", "-o", "a.html", "--vary", "density"],
            "--vary density: expected NAME=VALUE,VALUE",
        ),
        (["surface", "face_ball", "-o", "a.html", "--set", "a=b"], "--set a=b: 'b' is neither"),
        (
            [
                "surface",
                "face_ball",
                "-o",
                "a.html",
                "--vary",
                "a=1",
                "--vary",
                "b=1",
                "--vary=c=1",
            ],
            "at most two parameters",
        ),
        (
            [
                "surface",
                "face_ball",
                "-o",
                "a.html",
                "--vary",
                "a=1,2,3,4,5",
                "--vary",
                "b=1,2,3,4",
            ],
            "--vary asks for 20 panels, at most 16",
        ),
        (
            ["surface", "lucy-skg", "-o", "a.html", "--vary", "gamma=0,1"],
            "lucy-skg is a whole reward; name a component",
        ),
        (["surface", "lucy-skg", "-o", "a.html", "--term", "goal"], "no term is called 'goal'"),
        (["surface", "face_ball", "-o", "a.html", "--term", "goal"], "face_ball is a component"),
        (["surface", "face_ball", "-o", "a.html", "--ball", "1,2"], "--ball 1,2: expected three"),
        (
            ["surface", "face_ball", "-o", "a.html", "--car-velocity", "nan,0,0"],
            "--car-velocity nan,0,0: expected finite numbers",
        ),
        (
            ["surface", "face_ball", "-o", "a.html", "--mate", "0,9000,17"],
            "--mate 0,9000,17: is outside the field",
        ),
    ],
)
def test_bad_input_is_one_line(
    game: Path, tmp_path: Path, capsys, monkeypatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"GAME": str(game), "ONE": "one.npz", "SLOW": "slow.npz"}
    if "ONE" in arguments:
        save_game(tmp_path / "one.npz", steps=1)
    if "SLOW" in arguments:
        save_game(tmp_path / "slow.npz", tick_skip=4)
    status, _, err = lucy(capsys, "rewards", *[files.get(word, word) for word in arguments])
    assert status == 1
    assert err.startswith("lucy: ")
    assert message in err
    assert not list(tmp_path.glob("a.*"))


@pytest.mark.parametrize(
    "command", [["eval", "GAME", "-o"], ["report", "GAME", "-o"], ["report", "GAME", "--json"]]
)
def test_outputs_are_checked_before_anything_is_computed(
    game: Path, tmp_path: Path, capsys, monkeypatch, command: list[str]
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("computed before the output was checked")

    monkeypatch.setattr("lucy.agent.reward_analysis.load_play", never)
    (tmp_path / "file").write_text("", "utf-8")
    target = str(tmp_path / "file" / ("a.csv" if command[0] == "eval" else "a.html"))
    words = [str(game) if word == "GAME" else word for word in command]
    status, _, err = lucy(capsys, "rewards", *words, target)
    assert status == 1
    assert "cannot be written" in err
    assert "choose another place" in err
