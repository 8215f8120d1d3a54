"""What a training logs, and where it is kept: TensorBoard, and one JSON line an iteration."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat

from ..rewards.statistics import reward_metrics
from ..sim.statistics import game_means
from ..sim.vec_env import RocketLeagueVecEnv
from .run_dir import RunDirectory

STEP = "time/total_timesteps"


class JsonLinesWriter(KVWriter):
    """Appends every iteration's metrics to a file as one JSON object a line."""

    def __init__(self, path: Path) -> None:
        """Open for appending."""
        self._file = path.open("a", encoding="utf-8")

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: dict[str, tuple[str, ...]],
        step: int = 0,
    ) -> None:
        """Write one line; values that are not finite become null."""
        values = {STEP: step} | {key: _finite(value) for key, value in key_values.items()}
        self._file.write(json.dumps(values) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None


def read_metrics(path: Path) -> list[dict[str, float | None]]:
    """The metrics of a run, a dictionary an iteration; a line that is damaged is left out."""
    if not path.exists():
        return []
    lines = map(_iteration, path.read_text("utf-8", errors="replace").splitlines())
    return [line for line in lines if line is not None]


def _iteration(text: str) -> dict[str, float | None] | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(line, dict) and STEP in line
    number = (int, float, type(None))
    return line if whole and all(isinstance(value, number) for value in line.values()) else None


def open_logger(run: RunDirectory, steps: int) -> Logger:
    """The run's logger, going on after `steps`: what was logged beyond them is taken back.

    More outputs may be appended; they come after the file, which has every iteration first.
    """
    path = run.path / "metrics.jsonl"
    kept = [line for line in read_metrics(path) if (line[STEP] or 0) <= steps]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")
    temporary.replace(path)
    outputs: list[KVWriter] = [JsonLinesWriter(path), TensorBoardOutputFormat(str(run.tensorboard))]
    return Logger(str(run.path), outputs)


class RolloutMetrics(BaseCallback):
    """Logs `reward/*`, `game/*` and `rollout/*` of every rollout.

    What the `reward*` metrics mean is said at `reward_metrics`. Before every rollout the
    reward's weights are set to where their schedules stand.
    """

    def __init__(self, reward_names: Sequence[str]) -> None:
        """Log these terms of the reward."""
        super().__init__()
        self._names = reward_names

    def _on_training_start(self) -> None:
        self._env.simulation.collect()

    @property
    def _env(self) -> RocketLeagueVecEnv:
        env = self.training_env
        assert isinstance(env, RocketLeagueVecEnv)
        return env

    def _on_rollout_start(self) -> None:
        self._env.simulation.set_progress(self.num_timesteps)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        game, reward = self._env.simulation.collect()
        for name, value in reward_metrics(self._names, reward).items():
            self.logger.record(name, value)
        for name, value in game_means(game).items():
            self.logger.record(f"game/{name}", value)
        episodes = self.model.ep_info_buffer or []
        if len(episodes):
            self.logger.record("rollout/ep_rew_mean", np.mean([e["r"] for e in episodes]))
            self.logger.record("rollout/ep_len_mean", np.mean([e["l"] for e in episodes]))
