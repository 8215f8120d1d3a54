"""The games of a training, saved with it: a resumed one goes on as if it had never stopped."""

import hashlib
from collections import deque
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..rewards.spec import load_spec
from ..sim.memory import SavedError
from ..sim.vec_env import RocketLeagueVecEnv
from .config import TrainConfig
from .ppo import AuxPPO

_BUFFER, _MODEL = "buffer/", "model/"
_IRRELEVANT = {"processes"}  # settings that the games do not depend on


def reward_fingerprint(config: TrainConfig) -> str:
    """Stands for the text of the config's reward, of which the config has the name alone."""
    text = load_spec(config.environment.reward).model_dump_json()
    return hashlib.sha256(text.encode()).hexdigest()


def save_games(model: AuxPPO) -> dict[str, Tensor]:
    """All that the next rollout depends on, but weights and random numbers.

    The training goes on from what is returned here as well: see `Simulation.save`.
    """
    env = model.env
    assert isinstance(env, RocketLeagueVecEnv)
    episodes = [(episode["r"], episode["l"]) for episode in model.ep_info_buffer or ()]
    arrays = env.save()
    arrays |= {_BUFFER + name: array for name, array in model.rollout_buffer.save().items()}
    arrays[_MODEL + "episode_starts"] = np.asarray(model._last_episode_starts)
    arrays[_MODEL + "episodes"] = np.array(episodes, np.float64).reshape(-1, 2)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def restore_games(model: AuxPPO, saved: Mapping[str, Tensor]) -> None:
    """Let the games go on where `save_games` left them.

    Raises:
        SavedError: They are other games than the model's.
    """
    env = model.env
    assert isinstance(env, RocketLeagueVecEnv)
    arrays = {name: tensor.numpy() for name, tensor in saved.items()}
    own = {name for name in arrays if name.startswith((_BUFFER, _MODEL))}
    frames = arrays.get(_BUFFER + "frames")
    expected = (model.rollout_buffer.context, *model.rollout_buffer.observations.shape[1:])
    if frames is None or frames.shape != expected:
        raise SavedError("auxiliary tasks look back at other frames")
    model._last_obs = env.restore({name: arrays[name] for name in arrays.keys() - own})
    model._last_episode_starts = arrays[_MODEL + "episode_starts"]
    history = {name.removeprefix(_BUFFER): arrays[name] for name in own}
    model.rollout_buffer.restore(history)
    length = model._stats_window_size
    model.ep_info_buffer = deque(
        ({"r": r, "l": int(steps)} for r, steps in arrays[_MODEL + "episodes"].tolist()), length
    )


def changed_setting(saved: Mapping[str, object], config: TrainConfig) -> str | None:
    """The first setting by which these are other games than those of a saved config."""
    ours = config.model_dump(mode="json")
    settings = [("seed", saved.get("seed"), ours["seed"])]
    before = saved["environment"]
    assert isinstance(before, dict)
    settings += [
        (f"environment.{name}", before.get(name), value)
        for name, value in ours["environment"].items()
        if name not in _IRRELEVANT
    ]
    for name, old, new in settings:
        if old != new:
            return f"{name} was {old} and is {new}"
    return None
