"""`RolloutWorker`: some of a training's arenas and a copy of its policy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..rewards.spec import RewardSpec
from ..sim.simulation import Collected
from ..sim.vec_env import RocketLeagueVecEnv
from .config import AuxiliaryConfig, TrainConfig
from .model import BuildModel
from .rollouts import Finished
from .simulation import build_simulation


class RolloutWorker:
    """Collects with the learner's own loop, on one core of the CPU."""

    def __init__(self, config: TrainConfig, reward: RewardSpec, build: BuildModel) -> None:
        """Stand by.

        Args:
            config: of the whole training.
            reward: that the config names, read where the learner is.
            build: makes the learner's model, and so the worker's.
        """
        self._config, self._reward, self._build = config, reward, build

    def begin(
        self,
        modes: Sequence[str],
        streams: Sequence[np.random.SeedSequence],
        random_state: np.ndarray | None,
    ) -> Collected:
        """Begin an episode in each of its arenas.

        Args:
            modes: of the arenas.
            streams: of random numbers, one an arena.
            random_state: of PyTorch's generator, which actions are drawn from; default one
                that follows from the streams.

        Returns:
            What has been collected so far: nothing.
        """
        config = self._config
        simulation = build_simulation(config.environment, self._reward, modes)
        self._env = RocketLeagueVecEnv(simulation, config.seed)
        own = {
            "auxiliary": AuxiliaryConfig.model_validate({}),  # the learner's to train, as is all
            "learner": config.learner.model_copy(update={"threads": 1}),
            "ppo": config.ppo.model_copy(
                update={"batch_size": config.ppo.n_steps * self._env.num_envs}
            ),
        }
        cpu = torch.device("cpu")
        self._model = self._build(config.model_copy(update=own), self._env, cpu)
        simulation.seed(streams)
        if random_state is None:
            torch.manual_seed(int(streams[0].generate_state(1, np.uint64)[0]))
        else:
            torch.set_rng_state(torch.tensor(random_state))
        _, self._callback = self._model._setup_learn(0)
        return simulation.collect()

    def collect(self, weights: Mapping[str, np.ndarray], progress: int) -> Finished:
        """Collect one rollout, going on where the last one ended.

        Args:
            weights: of the policy.
            progress: agent-steps that the training has seen.
        """
        model, simulation = self._model, self._env.simulation
        # Copies, since what Ray shares cannot be written to
        model.policy.load_state_dict({name: torch.tensor(w) for name, w in weights.items()})
        simulation.set_progress(progress)
        buffer = model.rollout_buffer
        model.collect_rollouts(self._env, self._callback, buffer, buffer.buffer_size)
        episodes: list[dict[str, Any]] = list(model.ep_info_buffer or [])
        (model.ep_info_buffer or []).clear()
        return Finished(buffer.rollout(), simulation.collect(), episodes, model.seconds)
