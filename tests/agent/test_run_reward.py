"""A run goes on with the reward that it was started with, from any folder."""

import io
import json
import os
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from lucy.agent import checkpoint
from lucy.agent.config import ConfigError
from lucy.agent.run_reward import fingerprint, kept_reward
from lucy.agent.train import start_settings, train
from lucy.rewards.spec import read_text
from lucy.sim.shell import shell_line

from .conftest import TINY

REWARD = '[[events]]\ncomponent = "kept_module:pays"\n'
MODULE = "from kept_helper import AMOUNT\n\ndef pays(now, before):\n    return AMOUNT * now.boost\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an own reward, which is the current one."""
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "own.toml").write_text(REWARD, "utf-8")
    (folder / "kept_module.py").write_text(MODULE, "utf-8")
    (folder / "kept_helper.py").write_text("AMOUNT = 1.0\n", "utf-8")
    monkeypatch.chdir(folder)
    return folder


def begin(run: Path, **changes: object) -> None:
    """A first iteration of a new run."""
    named = {key.replace("__", "."): value for key, value in changes.items()}
    settings = {"steps": 64, "environment.reward": "own.toml"} | named
    train(start_settings(run, "lucy-cpu", TINY | settings, resume=False), run)


def go_on(run: Path, **changes: object) -> str:
    """One iteration more; what it said."""
    said = io.StringIO()
    named = {key.replace("__", "."): value for key, value in changes.items()}
    newest = checkpoint.newest(run / "checkpoints")
    assert newest is not None
    steps = checkpoint.load(newest).counters["steps"] + 64
    config = start_settings(run, "", {"steps": steps} | named, resume=True)
    train(config, run, resume=True, console=Console(file=said, width=1000))
    return said.getvalue()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_goes_on_without_its_first_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    begin(folder / "run", environment__processes=processes)
    (folder / "run").rename(tmp_path / "moved")
    shutil.rmtree(folder)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    said = go_on(Path("../moved"))
    assert "The games go on." in said
    assert "Changed since" not in said
    assert "the reward is another" not in said


def test_its_own_copy_wins_over_a_changed_file(folder: Path) -> None:
    begin(folder / "run")
    (folder / "own.toml").write_text(REWARD.replace("pays", "missing"), "utf-8")
    (folder / "kept_helper.py").write_text("AMOUNT = 2.0\n", "utf-8")
    said = go_on(folder / "run")
    assert f"Changed since the run began: {folder / 'own.toml'}, kept_helper.py." in said
    assert f"--set environment.reward={folder / 'own.toml'} takes the changed one" in said
    assert "the reward is another" not in said


def test_a_reward_that_is_named_anew_is_taken(folder: Path) -> None:
    begin(folder / "run")
    (folder / "kept_helper.py").write_text("AMOUNT = 2.0\n", "utf-8")
    said = go_on(folder / "run", environment__reward="own.toml")
    assert "the reward is another" in said
    assert "Changed since" not in said
    assert len(list((folder / "run" / "reward").iterdir())) == 2
    # An older checkpoint goes on with what it was trained with
    newest = checkpoint.newest(folder / "run" / "checkpoints")
    assert newest is not None
    now = start_settings(folder / "run", "", {}, resume=True).environment.reward_spec
    assert now.files["kept_helper.py"] == b"AMOUNT = 2.0\n"
    shutil.rmtree(newest)
    before = start_settings(folder / "run", "", {}, resume=True).environment.reward_spec
    assert before.files["kept_helper.py"] == b"AMOUNT = 1.0\n"


READS = """
from pathlib import Path

AMOUNT = float((Path(__file__).parent / "amount.txt").read_text())
"""


def test_a_copy_that_cannot_be_used_alone_is_told(folder: Path) -> None:
    (folder / "kept_helper.py").write_text(READS, "utf-8")
    (folder / "amount.txt").write_text("2", "utf-8")
    original = (folder / "own.toml").rename(folder / "my own.toml")
    way_out = shell_line("--set", f"environment.reward={original}")
    said = io.StringIO()
    settings = TINY | {"steps": 64, "environment.reward": original.name}
    config = start_settings(folder / "run", "lucy-cpu", settings, resume=False)
    train(config, folder / "run", console=Console(file=said, width=1000))
    assert f"No such file or directory: '{folder / 'run' / 'reward'}" in said.getvalue()
    assert f"To resume it will take {way_out}." in said.getvalue()
    with pytest.raises(ConfigError) as refused:
        start_settings(folder / "run", "", {"ppo.gamma": 0.9}, resume=True)
    assert str(refused.value).endswith(f"To go on with the original, add {way_out}")
    assert "\n" not in str(refused.value)
    assert "the reward is another" not in go_on(folder / "run", environment__reward=str(original))


def test_the_file_to_take_is_quoted_for_the_shell(folder: Path) -> None:
    original = (folder / "own.toml").rename(folder / "my own.toml")
    begin(folder / "run", environment__reward=original.name)
    (folder / "kept_helper.py").write_text("AMOUNT = 2.0\n", "utf-8")
    way_out = shell_line("--set", f"environment.reward={original}")
    assert f"{way_out} takes the changed one." in go_on(folder / "run")


def test_a_copy_that_was_begun_is_none(tmp_path: Path) -> None:
    for name in (".tmp-0123", "0123"):
        (tmp_path / "reward" / name).mkdir(parents=True)
        (tmp_path / "reward" / name / "reward.toml").write_text(REWARD, "utf-8")
        os.utime(tmp_path / "reward" / name, (0, 0 if name == "0123" else 9))
    assert kept_reward(tmp_path, None) == tmp_path / "reward" / "0123" / "reward.toml"


def test_a_preset_is_kept_as_well(folder: Path) -> None:
    begin(folder / "run", environment__reward="lucy-linear")
    kept = kept_reward(folder / "run", None)
    assert kept is not None
    assert kept.read_text("utf-8") == read_text("lucy-linear")
    # As if another Lucy had changed it
    old = kept.parent.with_name("0123456789abcdef")
    shutil.copytree(kept.parent, old)
    with (old / "reward.toml").open("a", encoding="utf-8") as file:
        file.write("# older\n")
    newest = checkpoint.newest(folder / "run" / "checkpoints")
    assert newest is not None
    versions = checkpoint.load(newest).versions
    config = start_settings(folder / "run", "", {}, resume=True)
    assert versions["reward"] == fingerprint(config.environment.reward_spec) == kept.parent.name


def test_before_the_first_checkpoint_it_is_kept_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(folder / "run")
    shutil.rmtree(folder / "run" / "checkpoints")
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(folder / "run" / "tensorboard")
    (folder / "own.toml").unlink()
    config = start_settings(folder / "run", "", {}, resume=True)
    assert train(config, folder / "run", resume=True).steps == 64


def test_a_run_of_an_older_lucy_still_goes_on(folder: Path) -> None:
    begin(folder / "run")
    shutil.rmtree(folder / "run" / "reward")
    assert "The games go on." in go_on(folder / "run")


def test_paths_in_settings_hold_in_any_folder(folder: Path) -> None:
    (folder / "bot").mkdir()
    (folder / "idle").mkdir()  # which is a bot's name all the same
    changes = {
        "environment.reward": "own.toml",
        "environment.replays": "games",
        "league.bots": {"bot": 1.0, "idle": 1.0, "module:function": 1.0},
        "rating.anchors": ["bot", "chaser"],
    }
    config = start_settings(folder / "run", "lucy-cpu", changes, resume=False)
    assert config.environment.reward == str(folder / "own.toml")
    assert config.environment.replays == str(folder / "games")
    assert list(config.league.bots) == [str(folder / "bot"), "idle", "module:function"]
    assert config.rating.anchors == [str(folder / "bot"), "chaser"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "config.json: cannot be read"),
        ('{"steps": 1', "config.json: cannot be read"),
        ("[1]", "config.json: expected a table of settings, got list"),
        ("\udcff", "config.json: cannot be read"),
        ('{"steps": 5}', "config.json: environment is missing"),
    ],
)
def test_a_damaged_config_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.json").write_text(text, "utf-8", errors="surrogateescape")
    with pytest.raises(ConfigError, match=message) as refused:
        start_settings(tmp_path, "", {}, resume=True)
    assert "\n" not in str(refused.value)


def test_a_setting_that_does_not_fit_is_not_blamed_on_the_file(folder: Path) -> None:
    begin(folder / "run")
    with pytest.raises(ConfigError) as refused:
        start_settings(folder / "run", "", {"ppo.gamma": 2}, resume=True)
    assert "step-" not in str(refused.value)


@pytest.mark.parametrize("line", ['{"time/total_timesteps": 9', "[]", '{"a": 1}', '{"a": "b"}'])
def test_a_damaged_line_of_metrics_costs_that_line(folder: Path, line: str) -> None:
    begin(folder / "run")
    metrics = folder / "run" / "metrics.jsonl"
    with metrics.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    go_on(folder / "run")
    logged = [json.loads(line) for line in metrics.read_text("utf-8").splitlines()]
    assert [line["time/total_timesteps"] for line in logged] == [64, 128]
