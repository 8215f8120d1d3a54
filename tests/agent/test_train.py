"""A training can be repeated, stopped, killed and resumed."""

import errno
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from stable_baselines3.common.logger import Logger

from lucy.agent import checkpoint
from lucy.agent.checkpoint import CheckpointError
from lucy.agent.config import ConfigError
from lucy.agent.environment import build_env
from lucy.agent.match import play
from lucy.agent.metrics import read_metrics
from lucy.agent.opponents.policy_bot import checkpoint_bot
from lucy.agent.opponents.scripted import RandomBot
from lucy.agent.run_dir import RunDirectory, RunDirectoryError
from lucy.agent.train import build_model, restore, save, start_settings, train
from lucy.rewards.function import is_compiled

from ..waiting import HANG
from .conftest import TINY, await_checkpoint, tiny_config

ITERATION = 64  # samples


def weights(run: Path) -> dict[str, torch.Tensor]:
    newest = checkpoint.newest(run / "checkpoints")
    assert newest is not None
    return load_file(newest / "policy.safetensors")


def assert_same_weights(one: Path, other: Path) -> None:
    for (name, a), (_, b) in zip(weights(one).items(), weights(other).items(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("processes", [1, 2])
def test_two_trainings_of_one_seed_are_equal(
    trained_run: Path, tmp_path: Path, processes: int
) -> None:
    train(tiny_config(environment__processes=processes), tmp_path / "again")
    assert_same_weights(trained_run, tmp_path / "again")


def test_another_seed_gives_other_weights(trained_run: Path, tmp_path: Path) -> None:
    train(tiny_config(seed=1), tmp_path / "other")
    name = next(iter(weights(trained_run)))
    assert not torch.equal(weights(trained_run)[name], weights(tmp_path / "other")[name])


def test_a_run_leaves_checkpoints_metrics_and_config(trained_run: Path) -> None:
    names = [path.name for path in checkpoint.step_folders(trained_run / "checkpoints")]
    assert names == [f"step-{steps:012d}" for steps in (192, 128, 64)]
    metrics = read_metrics(trained_run / "metrics.jsonl")
    assert [line["time/total_timesteps"] for line in metrics] == [64, 128, 192]
    assert {
        "game/touches_per_minute",
        "reward/event_goal",
        "reward_share/offensive_potential",
        "rollout/ep_len_mean",
        "train/approx_kl",
        "train/clip_fraction",
        "train/explained_variance",
        "time/collected_steps_per_second",
        "time/overall_steps_per_second",
    } <= metrics[-1].keys()
    assert json.loads((trained_run / "config.json").read_text())["steps"] == 192
    assert list((trained_run / "tensorboard").iterdir())


def test_compiling_is_announced_where_it_has_not_been_done(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = "from lucy.rewards.function import is_compiled; print(is_compiled())"
    fresh = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    asked = subprocess.run(
        [sys.executable, "-c", ask], env=fresh, capture_output=True, text=True, check=True
    )
    assert asked.stdout.strip() == "False"
    assert is_compiled()  # the finished run has seen to it
    said = io.StringIO()
    monkeypatch.setattr("lucy.agent.train.is_compiled", lambda: False)
    train(tiny_config(steps=64), tmp_path / "run", console=Console(file=said))
    assert "Compiling kernels, on the first start alone" in said.getvalue()


def test_resuming_goes_on_where_the_checkpoint_is(trained_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    config = start_settings(run, "", {"steps": 320}, resume=True)
    result = train(config, run, resume=True)
    assert result.steps == 320
    steps = [line["time/total_timesteps"] for line in read_metrics(run / "metrics.jsonl")]
    assert steps == [64, 128, 192, 256, 320]


def test_resuming_a_finished_run_changes_nothing(trained_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    result = train(start_settings(run, "", {}, resume=True), run, resume=True)
    assert result.steps == 192
    assert_same_weights(run, trained_run)


def test_metrics_beyond_the_checkpoint_are_taken_back(trained_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    shutil.rmtree(run / "checkpoints" / "step-000000000192")
    train(start_settings(run, "", {}, resume=True), run, resume=True)
    steps = [line["time/total_timesteps"] for line in read_metrics(run / "metrics.jsonl")]
    assert steps == [64, 128, 192]


def test_a_new_run_does_not_overwrite_an_old_one(trained_run: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"already holds.*--resume"):
        train(tiny_config(), trained_run)


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing to resume in .*leave --resume out"):
        start_settings(tmp_path, "", {}, resume=True)


def test_a_checkpoint_of_another_network_is_refused(trained_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    config = start_settings(run, "", {"network.width": 16, "steps": 256}, resume=True)
    with pytest.raises(CheckpointError, match="step-000000000192"):
        train(config, run, resume=True)


def test_a_checkpoint_of_another_action_table_is_refused(trained_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    changes = {"environment.action_table": "lookup", "network.initial_odds": {}}
    with pytest.raises(CheckpointError, match=r"action version 'lookup'.*'kbm'"):
        train(start_settings(run, "", changes, resume=True), run, resume=True)


def test_a_full_disk_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = checkpoint.write_durably
    saves = 0

    def full_on_the_second_save(path: Path, data: bytes) -> None:
        nonlocal saves
        saves += path.name == checkpoint.POLICY
        if saves == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written(path, data)

    monkeypatch.setattr(checkpoint, "write_durably", full_on_the_second_save)
    with pytest.raises(CheckpointError, match=r"No space left.*step-000000000064.*--resume"):
        train(tiny_config(), tmp_path / "run")
    monkeypatch.undo()
    result = train(
        start_settings(tmp_path / "run", "", {}, resume=True), tmp_path / "run", resume=True
    )
    assert result.steps == 192


def test_the_shortest_time_is_an_iteration(tmp_path: Path) -> None:
    """So that a slow machine has something to go on from."""
    assert train(tiny_config(), tmp_path / "run", seconds=0.0).steps == ITERATION


def start_training(run: Path, *, resume: bool) -> subprocess.Popen[bytes]:
    settings = [f"--set={key}={value}" for key, value in TINY.items() if key != "steps"]
    command = [sys.executable, "-c", "from lucy.agent.cli import main; main()", "train"]
    command += ["--run-dir", str(run), "--steps", "100000000"]
    command += ["--resume"] if resume else ["--preset", "lucy-cpu", *settings]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def interrupt_and_resume(run: Path, times: int, seed: int) -> None:
    """Stop a training again and again, and see each time that next to nothing is lost."""
    draw = random.Random(seed)
    folder = run / "checkpoints"
    for attempt in range(times):
        before = checkpoint.newest(folder)
        process = start_training(run, resume=attempt > 0)
        await_checkpoint(folder, process, before)
        time.sleep(draw.uniform(0.0, 0.3))
        gentle = draw.random() < 0.5 and os.name == "posix"
        logged = read_metrics(run / "metrics.jsonl")[-1]["time/total_timesteps"] or 0
        process.send_signal(signal.SIGINT) if gentle else process.kill()
        output = process.communicate(timeout=HANG)[0].decode()
        newest = checkpoint.newest(folder)
        assert newest is not None
        checkpoint.load(newest)
        steps = int(newest.name.removeprefix("step-"))
        assert steps >= logged - ITERATION
        if gentle:
            assert process.returncode == 0, output
            assert f"Stopped at {steps:,} steps" in output.replace("\n", " ")


def test_interrupted_and_killed_at_random_moments(tmp_path: Path) -> None:
    interrupt_and_resume(tmp_path / "run", times=5, seed=0)


ALL_TASKS = {
    "auxiliary__reward_prediction": 1.0,
    "auxiliary__state_representation": 1.0,
    "auxiliary__latent_prediction": 0.5,
    "auxiliary__successor_features": 0.5,
    "auxiliary__latent_steps": 2,
    "auxiliary__segment": 4,
}


@pytest.fixture(scope="module")
def auxiliary_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished tiny training with every auxiliary task."""
    path = tmp_path_factory.mktemp("runs") / "auxiliary"
    train(tiny_config(**ALL_TASKS), path)
    return path


def test_auxiliary_tasks_are_logged_saved_and_repeatable(
    auxiliary_run: Path, trained_run: Path, tmp_path: Path
) -> None:
    train(tiny_config(**ALL_TASKS), tmp_path / "again")
    assert_same_weights(auxiliary_run, tmp_path / "again")
    newest, again = (
        load_file(next((run / "checkpoints").glob("*192")) / checkpoint.AUXILIARY)
        for run in (auxiliary_run, tmp_path / "again")
    )
    assert all(torch.equal(newest[name], again[name]) for name in newest)
    line = read_metrics(auxiliary_run / "metrics.jsonl")[-1]
    tasks = ("reward_prediction", "state_representation", "latent_prediction", "successor_features")
    assert all(f"aux/{task}_loss" in line for task in tasks)
    parts = [line[f"time/update_{part}_share"] or 0.0 for part in ("main", *tasks)]
    assert sum(parts) == pytest.approx(line["time/update_share"])
    # Its tasks changed the embeddings: the same seed without them ends elsewhere
    name = "mlp_extractor.actor.embed_query.0.weight"
    assert not torch.equal(weights(auxiliary_run)[name], weights(trained_run)[name])


def test_a_bot_plays_without_the_auxiliary_tasks(auxiliary_run: Path) -> None:
    assert not [name for name in weights(auxiliary_run) if "task" in name]
    checkpoint_bot(auxiliary_run)


def test_the_update_after_a_resume_equals_the_uninterrupted_one(
    auxiliary_run: Path, tmp_path: Path
) -> None:
    """Given the same rollout: the environment itself starts new episodes on resuming."""
    config = tiny_config(**ALL_TASKS)
    saved = checkpoint.newest(auxiliary_run / "checkpoints")
    assert saved is not None
    ends = []
    for attempt in range(2):
        env = build_env(config.environment, seed=5)
        model = build_model(config, env, torch.device("cpu"))
        model.set_logger(Logger(None, []))
        restore(model, env, config, saved)
        path = saved
        if attempt:  # through another checkpoint
            with RunDirectory(tmp_path / "run", resume=False) as run:
                path = save(model, config, run)
            model = build_model(config, env, torch.device("cpu"))
            model.set_logger(Logger(None, []))
            restore(model, env, config, path)
        env.seed(7)
        model.learn(64, log_interval=None, reset_num_timesteps=False)  # type: ignore[arg-type]
        ends.append({**model.policy.state_dict(), **model.tasks.state_dict()})
        env.close()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_resuming_with_other_tasks_is_refused(auxiliary_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(auxiliary_run, run)
    changes = {"auxiliary.state_representation": 0.0, "steps": 256}
    with pytest.raises(CheckpointError, match=r"state_representation.*not in the model"):
        train(start_settings(run, "", changes, resume=True), run, resume=True)


@pytest.mark.parametrize(
    ("observation", "stack", "size"), [("lucy", 0, 23), ("lucy", 2, 39), ("necto", 5, 32)]
)
def test_other_observations_train_resume_and_play(
    tmp_path: Path, observation: str, stack: int, size: int
) -> None:
    run = tmp_path / "run"
    changes = {"environment__observation": observation, "environment__action_stack": stack}
    train(tiny_config(steps=64, environment__processes=2, **ALL_TASKS, **changes), run)
    assert weights(run)["mlp_extractor.actor.embed_query.0.weight"].shape[1] == size
    config = start_settings(run, "", {"steps": 128}, resume=True)
    assert train(config, run, resume=True).steps == 128
    result = play(checkpoint_bot(run), RandomBot(), mode="2v2", games=2, seconds=2.0)
    assert result.figures["touches"].shape == (2, 2)
    other = {"environment.observation": "nexto", "environment.action_stack": 5, "steps": 256}
    with pytest.raises(CheckpointError, match=r"observation version 'nexto-1'.*was trained with"):
        train(start_settings(run, "", other, resume=True), run, resume=True)


def test_checkpoints_that_name_no_observation_are_lucys(trained_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    newest = checkpoint.newest(run / "checkpoints")
    assert newest is not None
    old = checkpoint.load(newest)
    for setting in ("observation", "action_stack"):
        del old.config["environment"][setting]
    checkpoint.save(
        run / "checkpoints",
        256,
        policy=old.policy,
        optimizer=old.optimizer,
        config=old.config,
        counters=old.counters | {"steps": 256},
        versions=old.versions,
        random_state=old.random_state,
    )
    checkpoint_bot(run)
    assert start_settings(run, "", {}, resume=True) == tiny_config()


def test_mixed_sizes_train_side_by_side(tmp_path: Path) -> None:
    config = tiny_config(
        environment__mode="mixed", environment__arenas=3, ppo__batch_size=16, steps=96
    )
    result = train(config, tmp_path / "run")
    assert result.steps == 96  # one iteration of 12 agents and 8 steps
