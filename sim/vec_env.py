"""`RocketLeagueVecEnv`: a simulation as a Stable-Baselines3 VecEnv."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from .simulation import AgentGames
from .termination import TERMINATED


class RocketLeagueVecEnv(VecEnv):
    """Self-play: every car of every arena is an agent of its own, N in all.

    An arena whose episode ends is reset in the same step, as Stable-Baselines3 expects;
    its agents' last observation is `infos[i]["terminal_observation"]`, and
    `infos[i]["TimeLimit.truncated"]` tells an episode cut off from one that a goal ended;
    `infos[i]["episode"]` has its return `r` and its length `l` in steps.
    """

    def __init__(self, simulation: AgentGames, seed: int) -> None:
        """Make agents of the simulation's cars.

        Args:
            simulation: in this process, in several, or on other machines.
            seed: of the resets; each arena draws from a stream of its own.
        """
        self.simulation = simulation
        layout = simulation.layout
        self._turn = 0
        self._returns = np.zeros(layout.agents)
        self._lengths = np.zeros(layout.agents, np.int64)
        self._no_infos: list[dict[str, Any]] = [{} for _ in range(layout.agents)]
        self._stepping = False
        self.render_mode = None
        super().__init__(
            layout.agents,
            gymnasium.spaces.Box(-np.inf, np.inf, layout.observation, np.float32),
            gymnasium.spaces.MultiDiscrete(simulation.action_table.nvec),
        )
        self.seed(seed)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Give every arena its own stream of random numbers, drawn from `seed`."""
        self.simulation.seed(np.random.SeedSequence(seed).spawn(len(self.simulation.car_mask)))
        return [seed] * self.num_envs

    def reset(self) -> np.ndarray:
        """Begin an episode in every arena: [N,rows,columns] float32."""
        self._turn = 1 - self._turn
        self._returns[:] = 0
        self._lengths[:] = 0
        self.simulation.reset(self._turn)
        return self.simulation.arrays.observations[self._turn]

    def step_async(self, actions: np.ndarray) -> None:
        """Take the agents' actions, [N,heads] integers, and begin the step."""
        self.simulation.arrays.actions[:] = actions
        self._turn = 1 - self._turn
        self.simulation.start_step(self._turn)
        self._stepping = True

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step every arena: observations, rewards [N] float32, dones [N] bool, infos.

        What is returned stays as it is until the step after the next one, but the infos of
        agents whose episode goes on are one empty dictionary each, for all time.
        """
        if not self._stepping:
            raise RuntimeError("step_wait() was called before step_async()")
        self.simulation.finish_step()
        self._stepping = False
        arrays = self.simulation.arrays
        rewards, dones = arrays.rewards.copy(), arrays.ended > 0
        self._returns += rewards
        self._lengths += 1
        infos = self._infos(dones) if dones.any() else self._no_infos
        return arrays.observations[self._turn], rewards, dones, infos

    def save(self) -> dict[str, np.ndarray]:
        """All that the episodes under way go on from; see `AgentGames.save`."""
        saved = self.simulation.save()
        own = {"env/returns": self._returns.copy(), "env/lengths": self._lengths.copy()}
        return saved | own if saved else {}

    def restore(self, saved: Mapping[str, np.ndarray]) -> np.ndarray:
        """Go on from what `save` gave; what the agents see: [N,rows,columns] float32.

        Raises:
            SavedError: it is that of other games.
        """
        own = ("env/returns", "env/lengths")
        games = {name: array for name, array in saved.items() if name not in own}
        self._turn = 1 - self._turn
        self.simulation.restore(games, self._turn)
        self._returns[:], self._lengths[:] = (saved[name] for name in own)
        return self.simulation.arrays.observations[self._turn]

    def _infos(self, dones: np.ndarray) -> list[dict[str, Any]]:
        infos = list(self._no_infos)
        arrays = self.simulation.arrays
        for agent in np.flatnonzero(dones):
            infos[agent] = {
                "terminal_observation": arrays.terminal[agent].copy(),
                "TimeLimit.truncated": bool(arrays.ended[agent] != TERMINATED),
                "episode": {"r": float(self._returns[agent]), "l": int(self._lengths[agent])},
            }
        self._returns[dones] = 0
        self._lengths[dones] = 0
        return infos

    def close(self) -> None:
        """End the simulation's threads or processes."""
        self.simulation.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The environment's attribute, once for each agent asked for."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Agents share the environment: their attributes cannot differ.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("the agents of RocketLeagueVecEnv share one environment")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """Agents are no environments of their own.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("the agents of RocketLeagueVecEnv share one environment")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No agent is wrapped."""
        return [False] * len(list(self._get_indices(indices)))
