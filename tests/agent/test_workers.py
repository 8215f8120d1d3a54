"""Rollouts from workers: one equals the learner's own, several add up, a dead one is replaced."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import Logger
from torch import Tensor

from lucy.agent import checkpoint, ray_workers
from lucy.agent.cli import app
from lucy.agent.config import ConfigError, TrainConfig
from lucy.agent.environment import build_env, build_workers_env
from lucy.agent.errors import LucyError
from lucy.agent.metrics import RolloutMetrics
from lucy.agent.model import build_model
from lucy.agent.ppo import AuxPPO
from lucy.agent.rollout_worker import RolloutWorker
from lucy.agent.rollouts import Finished, RolloutWorkers
from lucy.agent.train import start_settings, train
from lucy.rewards.spec import load_spec
from lucy.sim.simulation import Collected
from lucy.sim.vec_env import RocketLeagueVecEnv

from ..waiting import HANG
from .conftest import TINY, await_checkpoint, tiny_config

TASKS = {
    "auxiliary__reward_prediction": 1.0,
    "auxiliary__successor_features": 1.0,
    "auxiliary__segment": 4,
}


class WorkersHere(RolloutWorkers):
    """Workers in this process, which take turns; the later ones finish first."""

    def __init__(self, config: TrainConfig, count: int) -> None:
        super().__init__(config.environment, count)
        self._config = config

    def begin(self) -> list[Collected]:
        reward, modes = load_spec(self._config.environment.reward), self._config.environment.modes
        states = [torch.get_rng_state().numpy(), *[None] * (len(self.shares) - 1)]
        self.workers = [RolloutWorker(self._config, reward, build_model) for _ in self.shares]
        return [
            worker.begin(modes[share.arenas], self.streams[share.arenas], state)
            for worker, share, state in zip(self.workers, self.shares, states, strict=True)
        ]

    def gather(self, weights: Mapping[str, Tensor]) -> Iterator[tuple[slice, Finished] | None]:
        arrays = {name: tensor.numpy() for name, tensor in weights.items()}
        for index in reversed(range(len(self.workers))):
            yield None
            finished = self.workers[index].collect(arrays, self._progress)
            self._collected[index] = finished.collected
            yield self.shares[index].agents, finished

    def close(self) -> None:
        pass


def learn(
    config: TrainConfig, env: RocketLeagueVecEnv, *callbacks: BaseCallback, **hooks: Any
) -> AuxPPO:
    model = build_model(config, env, torch.device("cpu"))
    model.set_logger(Logger(None, []))
    for name, hook in hooks.items():
        setattr(model, name, hook)
    terms = [term.name for term in load_spec(config.environment.reward).terms]
    every = CallbackList([RolloutMetrics(terms), *callbacks])
    model.learn(config.steps, every, log_interval=None)  # type: ignore[arg-type]
    return model


def test_rollouts_of_several_workers_add_up() -> None:
    config = tiny_config(
        environment__mode="mixed", environment__arenas=3, ppo__batch_size=16, **TASKS
    )
    seen = []

    def check(model: AuxPPO) -> None:
        logged, buffer = model.logger.name_to_value, model.rollout_buffer
        assert logged["reward/total"] == pytest.approx(buffer.rewards.mean(), abs=1e-7)
        assert logged["rollout/ep_len_mean"] == np.mean(
            [e["l"] for e in model.ep_info_buffer or []]
        )
        assert logged["game/speed"] > 0
        assert sum(model.shares.values()) <= 1
        np.testing.assert_allclose(
            buffer.returns, buffer.advantages + buffer.values, rtol=0, atol=1e-6
        )
        latest = buffer.observations[buffer.context :]
        assert (latest.flatten(2).abs().sum(dim=2) > 0).all()
        ended = buffer.episode_starts[1:] > 0
        assert (buffer.age[1:][ended] == 0).all()
        assert (buffer.age[1:][~ended] == buffer.age[:-1][~ended] + 1).all()
        seen.append(model.num_timesteps)

    env = RocketLeagueVecEnv(WorkersHere(config, 2), config.seed)
    learn(config, env, after_iteration=check)
    assert seen == [96, 192]  # 12 agents, 8 steps


def test_arenas_draw_from_the_same_streams_at_any_number_of_workers() -> None:
    first = []
    config = tiny_config(steps=64)
    for count in (1, 3):
        env = RocketLeagueVecEnv(WorkersHere(config, count), config.seed)
        first.append(learn(config, env).rollout_buffer.observations[0])
    torch.testing.assert_close(first[0], first[1], rtol=0, atol=0)


def test_workers_cannot_be_stepped_and_need_an_arena_each() -> None:
    config = tiny_config()
    env = RocketLeagueVecEnv(WorkersHere(config, 4), 0)
    with pytest.raises(NotImplementedError, match="whole rollouts"):
        env.step(np.zeros((8, 5), np.int64))
    with pytest.raises(ConfigError, match=r"4 arenas cannot.*5 rollout workers.*take fewer"):
        WorkersHere(config, 5)


def test_ray_is_asked_for_only_with_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "lucy.agent.ray_workers")
    with pytest.raises(LucyError, match=r'pip install "lucy-skg\[ray\]", or train without'):
        train(tiny_config(), tmp_path / "run", workers=1)
    with pytest.raises(ConfigError, match=r"--ray-address says where.*--workers"):
        app(["train", "--ray-address", "auto"], standalone_mode=False)


@pytest.fixture(scope="module")
def started() -> Iterator[None]:
    """A Ray that a first environment has started and that the others find."""
    terminate = signal.getsignal(signal.SIGTERM)
    env = build_workers_env(tiny_config(), 1, None, print)
    assert signal.getsignal(signal.SIGTERM) == terminate
    yield
    env.close()
    assert not ray.is_initialized()


def test_one_worker_collects_what_the_learner_would(started: None) -> None:
    config = tiny_config(**TASKS)
    here: list[dict[str, Any]] = []
    there: list[dict[str, Any]] = []
    for env, logged in (
        (build_env(config.environment, config.seed), here),
        (build_workers_env(config, 1, None, print), there),
    ):
        learn(config, env, after_iteration=lambda model, to=logged: to.append(metrics_of(model)))
        env.close()
    assert ray.is_initialized()  # as it was there before
    for own, other in zip(here, there, strict=True):
        metrics = {name for name in own if not name.startswith("time/")}
        assert {name: own[name] for name in metrics} == {name: other[name] for name in metrics}
        assert other["time/waiting_share"] >= 0
        assert own.keys() == other.keys() - {"time/waiting_share"}


def metrics_of(model: AuxPPO) -> dict[str, Any]:
    logged = dict(model.logger.name_to_value)
    model.logger.name_to_value.clear()
    return logged


def in_worker(env: RocketLeagueVecEnv, worker: int, work: Callable[[RolloutWorker], Any]) -> Any:
    assert isinstance(env.simulation, ray_workers.RayWorkers)
    return env.simulation._actors[worker].__ray_call__.remote(work)


class KilledWhileAsked(BaseCallback):
    """Ends a worker's process in the second rollout, while the learner waits for it."""

    def __init__(self, env: RocketLeagueVecEnv, worker: int) -> None:
        super().__init__()
        self._env, self._worker = env, worker
        self._rollouts = 0

    def _on_rollout_start(self) -> None:
        self._rollouts += 1
        if self._rollouts == 2:
            self._process = ray.get(in_worker(self._env, self._worker, lambda _: os.getpid()))
            in_worker(self._env, self._worker, lambda _: time.sleep(600))
            self._looks = 0

    def _on_step(self) -> bool:
        if self._rollouts == 2:
            self._looks += 1
            if self._looks == 2:
                os.kill(self._process, signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        return True


def test_a_dead_worker_is_replaced_and_costs_its_share_alone(started: None) -> None:
    config = tiny_config(environment__no_touch_timeout=30.0)
    notes: list[str] = []
    env = build_workers_env(config, 2, None, notes.append)
    ages, steps = [], []

    def note(model: AuxPPO) -> None:
        buffer = model.rollout_buffer
        ages.append(buffer.age[0].copy())
        steps.append(model.num_timesteps)
        assert np.isfinite(buffer.advantages).all()
        assert model.logger.name_to_value["reward/total"] == pytest.approx(buffer.rewards.mean())

    learn(config, env, KilledWhileAsked(env, 1), after_iteration=note)
    env.close()
    assert steps == [64, 128, 192]
    assert notes == ["Rollout worker 1 of 2 has ended; a new one plays its games."]
    # Four agents each: the first worker's episodes go on, the other's began anew
    assert [age.tolist() for age in ages] == [[0] * 8, [8] * 4 + [0] * 4, [16] * 4 + [8] * 4]


def test_a_worker_that_cannot_go_on_ends_the_training(
    started: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config()
    env = build_workers_env(config, 1, None, print)
    with monkeypatch.context() as patched:
        patched.setattr(ray_workers, "_DEATHS", 1)
        with pytest.raises(LucyError, match=r"ended 1 times over one rollout.*fewer arenas"):
            learn(config, env, KilledWhileAsked(env, 0))
    env.reset()
    assert isinstance(env.simulation, ray_workers.RayWorkers)
    with pytest.raises(LucyError, match=r"rollout worker 0 failed.*Unexpected key.*nonsense"):
        list(env.simulation.gather({"nonsense": torch.zeros(1)}))
    env.close()


def test_an_address_without_ray() -> None:
    with pytest.raises(LucyError, match=r"no Ray can be used at '127.0.0.1:1'.*ray start --head"):
        ray_workers._start_ray("127.0.0.1:1")


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C cannot be sent to another process there")
def test_interrupted_and_resumed(started: None, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = [f"--set={key}={value}" for key, value in TINY.items() if key != "steps"]
    command = [sys.executable, "-c", "from lucy.agent.cli import main; main()", "train"]
    command += ["--run-dir", str(run), "--steps", "100000000", "--preset", "lucy-cpu", *settings]
    process = subprocess.Popen(
        [*command, "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    await_checkpoint(run / "checkpoints", process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    output = process.communicate(timeout=HANG)[0].decode()
    assert process.returncode == 0, output
    assert "Stopped at" in output.replace("\n", " ")
    assert "Traceback" not in output
    saved = checkpoint.newest(run / "checkpoints")
    assert saved is not None
    steps = int(saved.name.removeprefix("step-"))
    config = start_settings(run, "", {"steps": steps + 64}, resume=True)
    assert train(config, run, resume=True, workers=1).steps == steps + 64
