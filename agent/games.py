"""The games of a training, saved with it: a resumed one goes on as if it had never stopped."""

import hashlib
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..sim.memory import SavedError
from ..sim.vec_env import RocketLeagueVecEnv
from .config import TrainConfig
from .ppo import AuxPPO

_BUFFER, _MODEL = "buffer/", "model/"
_REWARD = "reward"
_FREE = {
    "processes",
    "reward",
}  # of the environment: they may differ; of the reward the text counts


def save_games(model: AuxPPO, config: TrainConfig) -> dict[str, Tensor]:
    """All that the next rollout depends on, but weights and the learner's random numbers.

    The training goes on from what is returned here as well: see `Simulation.save`.

    Returns:
        Arrays by name; none before the first rollout, or where rollout workers elsewhere play
        the games.
    """
    env = model.env
    assert isinstance(env, RocketLeagueVecEnv)
    if model._last_obs is None or not (arrays := env.save()):
        return {}
    episodes = [(episode["r"], episode["l"]) for episode in model.ep_info_buffer or ()]
    arrays |= {_BUFFER + name: array for name, array in model.rollout_buffer.save().items()}
    arrays[_MODEL + "episode_starts"] = np.asarray(model._last_episode_starts)
    arrays[_MODEL + "episodes"] = np.array(episodes, np.float64).reshape(-1, 2)
    arrays[_REWARD] = _reward_fingerprint(config)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def restore_games(
    model: AuxPPO, config: TrainConfig, saved: Mapping[str, Tensor], saved_config: Mapping[str, Any]
) -> None:
    """Let the games go on where `save_games` left them.

    Args:
        model: has an environment of the config.
        config: of the training now.
        saved: what `save_games` gave.
        saved_config: of the training then.

    Raises:
        SavedError: They are not this config's games; nothing has been changed.
    """
    env = model.env
    assert isinstance(env, RocketLeagueVecEnv)
    if not saved:
        raise SavedError("the checkpoint holds none")
    _check_settings(config.model_dump(mode="json"), saved_config)
    arrays = {name: tensor.numpy() for name, tensor in saved.items()}
    if not np.array_equal(arrays.pop(_REWARD), _reward_fingerprint(config)):
        raise SavedError("the reward was another")
    own = {name: arrays.pop(name) for name in [*arrays] if name.startswith((_BUFFER, _MODEL))}
    buffer = model.rollout_buffer
    if len(own[_BUFFER + "frames"]) != buffer.context:
        raise SavedError("the auxiliary tasks look back at other frames")
    model._last_obs = env.restore(arrays)
    model._last_episode_starts = own[_MODEL + "episode_starts"]
    buffer.restore({name: own[_BUFFER + name] for name in ("frames", "age")})
    episodes = own[_MODEL + "episodes"].tolist()
    latest = ({"r": reward, "l": int(steps)} for reward, steps in episodes)
    model.ep_info_buffer = deque(latest, model._stats_window_size)
    model.ep_success_buffer = deque(maxlen=model._stats_window_size)  # which it needs beside


def _check_settings(now: Mapping[str, Any], then: Mapping[str, Any]) -> None:
    """Make sure that these are the same games, and name the first setting by which not."""
    pairs = {"seed": (then["seed"], now["seed"])}
    for name, value in now["environment"].items():
        if name not in _FREE:
            pairs[f"environment.{name}"] = (then["environment"].get(name), value)
    league, league_then = now["league"], then.get("league", {})
    pairs["league.share"] = (league_then.get("share", 0.0), league["share"])
    if league["share"]:
        for name in ("past", "bots"):
            pairs[f"league.{name}"] = (league_then.get(name), league[name])
    for name, (before, value) in pairs.items():
        if before != value:
            raise SavedError(f"{name} was {before} and is {value}")


def _reward_fingerprint(config: TrainConfig) -> np.ndarray:
    """Stands for the text of the config's reward, of which the config has the name alone."""
    text = config.environment.reward_spec.model_dump_json()
    return np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8).copy()
