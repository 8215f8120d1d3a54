"""Recordings in the commands: matches recorded, replays imported, training that starts in them."""

import io
import os
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from lucy.agent.config import ConfigError, load_preset, parse_changes
from lucy.agent.environment import build_env
from lucy.agent.match import play
from lucy.agent.match_recording import MatchRecording, MatchRecordingError
from lucy.agent.messages import LiteralConsole
from lucy.agent.opponents import make_bot
from lucy.agent.replay_files import ReplayImportError, find_replays, run_import
from lucy.agent.reset_mix import build_resets, resets_notice
from lucy.agent.train import train
from lucy.sim.constants import GOAL_THRESHOLD_Y
from lucy.sim.recording import Recording, load_recording
from lucy.sim.simulation import Simulation

from .conftest import tiny_config
from .test_cli import lucy

SHARED = Path(os.environ.get("LUCY_SHARED", Path(__file__).parents[3] / "shared"))
SHORT = SHARED / "replays" / "8c121fc5-d194-4ce7-8b1a-215234372732.replay"

needs_replays = pytest.mark.skipif(
    not SHORT.exists(), reason=f"no replays at {SHORT.parent}; set LUCY_SHARED to their folder"
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A match with goals, and these by game: blue's and orange's."""
    path = tmp_path_factory.mktemp("match") / "match.npz"
    recording = MatchRecording(path, "1v1", games=4, seed=0, seconds=60)
    result = play(
        make_bot("chaser"),
        make_bot("random"),
        games=4,
        seconds=60,
        record=recording.recorder.append,
    )
    recording.save(result)
    goals = result.figures["goals"].copy()
    goals[1::2] = goals[1::2, ::-1]  # the bots swap sides
    return path, goals


@pytest.fixture(scope="module")
def match(recorded: tuple[Path, np.ndarray]) -> Recording:
    return load_recording(recorded[0])


def test_a_match_is_recorded_with_every_goal_and_kickoff(
    match: Recording, recorded: tuple[Path, np.ndarray]
) -> None:
    goals = recorded[1]
    assert goals.sum() > 0
    assert (match.metadata.source, match.metadata.mode, match.metadata.seed) == ("match", "1v1", 0)
    for index, game in enumerate(match.metadata.games):
        states = match.game(index)
        assert game.score == tuple(goals[index])
        assert (game.blue, game.orange) == (("chaser", "random"), ("random", "chaser"))[index % 2]
        assert game.players == [game.blue, game.orange]
        assert states.score[-1].tolist() == goals[index].tolist()
        assert len(states.score) == 60 * 15 + 1 + goals[index].sum()
        scored = np.flatnonzero(np.abs(states.ball_position[:, 1]) > GOAL_THRESHOLD_Y)
        assert len(scored) == goals[index].sum()
        starts = np.flatnonzero(states.episode_start)
        assert starts.tolist() == [0, *(scored + 1)]
        assert (states.ball_position[starts, :2] == 0).all()


def test_recording_does_not_change_the_match(recorded: tuple[Path, np.ndarray]) -> None:
    result = play(make_bot("chaser"), make_bot("random"), games=2, seconds=60)
    goals = result.figures["goals"].copy()
    goals[1::2] = goals[1::2, ::-1]
    np.testing.assert_array_equal(goals, recorded[1][:2])


def test_a_recording_is_refused_before_the_match(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MatchRecordingError, match=r"cannot be written"):
        MatchRecording(tmp_path / "file" / "a.npz", "1v1", games=1, seed=0)
    with pytest.raises(MatchRecordingError, match=r"record fewer games in one file"):
        MatchRecording(tmp_path / "a.npz", "3v3", games=1000, seed=0)


def test_match_command_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "out.npz"
    path.write_text("old")
    status, out, err = lucy(
        capsys, "match", "idle", "random", "--games", "1", "--record", str(path)
    )
    assert (status, err) == (0, "")
    assert "Games recorded in" in out
    assert load_recording(path).metadata.games[0].stop >= 300 * 15 + 1


def test_files_folders_and_patterns_are_found(tmp_path: Path) -> None:
    names = ["a.replay", "b.REPLAY", "sub/c.replay", "sub/d.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    a, b, c, d = (tmp_path / name for name in names)
    assert find_replays([str(tmp_path / "*.replay")]) == [a, b]
    assert find_replays([str(tmp_path)]) == [a, b, c]
    assert find_replays([str(tmp_path / "**" / "*.replay")]) == [a, b, c]
    assert find_replays([str(d), str(a), str(a)]) == [d, a]
    for nothing in ("e.replay", "x*"):
        with pytest.raises(ReplayImportError, match=r"no such replay; expected"):
            find_replays([str(tmp_path / nothing)])


@pytest.mark.skipif(os.name == "nt", reason="no name has a line feed there")
def test_a_file_takes_one_line(tmp_path: Path) -> None:
    bad = tmp_path / "two\nlines.replay"
    bad.write_bytes(b"no replay")
    out = io.StringIO()
    with pytest.raises(ReplayImportError, match="no file could be imported"):
        run_import([bad], tmp_path / "out", LiteralConsole(out))
    shown = rf"{tmp_path}/two\nlines.replay"
    assert out.getvalue().strip() == f"Skipped {shown}: is no Rocket League replay"


def test_folders_that_cannot_be_searched_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.replay", "[locked]/b.replay"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "[locked]":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    out = io.StringIO()
    console = LiteralConsole(file=out)
    assert find_replays([str(tmp_path)], console) == [tmp_path / "a.replay"]
    assert out.getvalue() == f"Not searched {tmp_path / '[locked]'} (Permission denied)\n"


@needs_replays
def test_import_command_skips_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad[1].replay").write_bytes(SHORT.read_bytes()[:9999])
    status, out, err = lucy(
        capsys, "replays", "import", str(tmp_path), str(SHORT), "-o", str(tmp_path / "out")
    )
    assert (status, err) == (0, "")
    assert "Skipped" in out
    # A long path is broken anywhere
    assert "bad[1].replay:theparsercannotreadit" in out.replace(" ", "")
    assert "alec & barnabas_ 0:3 No & Killer instinct" in out
    assert "1 of 2 replays imported into" in out
    status, _, err = lucy(capsys, "replays", "import", str(tmp_path), "-o", str(tmp_path / "out"))
    assert status == 1
    assert "no file could be imported, for the reasons above" in err


def test_import_into_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReplayImportError, match=r"expected a folder that can be written to"):
        run_import([SHORT], tmp_path / "file", Console(quiet=True))


def test_training_starts_in_recorded_states(
    match: Recording, recorded: tuple[Path, np.ndarray]
) -> None:
    config = tiny_config(environment__resets={"replays": 1}, environment__replays=str(recorded[0]))
    env = build_env(config.environment, seed=0)
    env.reset()
    assert isinstance(env.simulation, Simulation)
    for ball in env.simulation.pool.states.ball_position:
        assert (np.abs(match.states.ball_position - ball).max(axis=1) < 1e-2).any()
    env.close()


def test_the_published_mix_runs_without_replays_and_says_so(tmp_path: Path) -> None:
    published = load_preset("lucy-skg").environment
    assert published.resets["replays"] == 0.7 * sum(published.resets.values())
    assert "replays" not in published.drawn_resets
    build_resets(published)(np.random.default_rng(0), 2)
    console = Console(record=True, quiet=False, file=(tmp_path / "log").open("w"), width=300)
    config = tiny_config(environment__resets={"replays": 7, "kickoff": 3}, steps=64)
    train(config, tmp_path / "run", console=console)
    console.file.close()
    text = console.export_text()
    assert text.count("No replays are set, so 70% of the reset mix is left out") == 1
    assert "--set environment.replays=DIR" in text


def test_no_notice_where_there_is_nothing_to_say() -> None:
    assert resets_notice(tiny_config().environment) is None
    with_path = tiny_config(environment__resets={"replays": 1}, environment__replays="x")
    assert resets_notice(with_path.environment) is None


def test_replays_that_the_mix_leaves_out_are_told_with_a_mix_that_takes_them() -> None:
    unused = tiny_config(environment__resets={"kickoff": 3}, environment__replays="x")
    notice = resets_notice(unused.environment)
    assert notice is not None and "environment.replays is not used" in notice
    (setting,) = shlex.split(notice.rpartition(" --set ")[2].rstrip("."))
    taken = load_preset("lucy-cpu", parse_changes([setting]))
    assert taken.environment.resets == {"kickoff": 3, "replays": 1}


def test_replays_that_cannot_serve_are_an_error(recorded: tuple[Path, np.ndarray]) -> None:
    for path, mode, message in (
        ("nowhere", "1v1", r"environment.replays: .*nowhere: expected a recording"),
        (str(recorded[0]), "2v2", r"no usable state of 2v2 .*it has 1v1"),
        (__file__, "1v1", r"environment.replays: .*expected a recording of"),
    ):
        config = tiny_config(
            environment__resets={"replays": 1},
            environment__replays=path,
            environment__mode=mode,
        )
        for processes in (1, 2):
            settings = config.environment.model_copy(update={"processes": processes})
            with pytest.raises(ConfigError, match=message):
                build_env(settings, seed=0)


def test_training_packs_are_a_source() -> None:
    config = tiny_config(environment__resets={"training_packs": 1})
    state = build_resets(config.environment)(np.random.default_rng(0), 1)
    assert state.car_boost[0] == 1
