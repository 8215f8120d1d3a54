"""`RocketLeagueVecEnv`: all parts of the simulation as one Stable-Baselines3 VecEnv."""

from collections.abc import Sequence
from typing import Any, Protocol

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from .actions import ActionTable
from .engine import ArenaPool, Chunk
from .observations import LucyObservation
from .resets import ResetSource
from .state import GameStates, select
from .statistics import GameStatistics
from .termination import TERMINATED, EpisodeEnds


class Reward(Protocol):
    """What the environment needs of a reward; `lucy.rewards.RewardFunction` is one."""

    total: np.ndarray  # [A,C] float32

    def reset(self, states: GameStates, arenas: np.ndarray) -> None:
        """Begin an episode in these arenas."""

    def step(self, states: GameStates, rows: slice) -> None:
        """Pay for one step of the arenas in `rows`."""


class RocketLeagueVecEnv(VecEnv):
    """Self-play: every car of every arena is an agent of its own, N in all.

    Agents are numbered arena by arena, blue first. An arena whose episode ends is reset
    in the same step, as Stable-Baselines3 expects; its agents' last observation is
    `infos[i]["terminal_observation"]`, and `infos[i]["TimeLimit.truncated"]` tells an
    episode cut off from one that a goal ended; `infos[i]["episode"]` has its return `r`
    and its length `l` in steps. `statistics` sums up how the games go.
    """

    def __init__(
        self,
        pool: ArenaPool,
        reward: Reward,
        observation: LucyObservation,
        action_table: ActionTable,
        resets: ResetSource,
        ends: EpisodeEnds,
        seed: int,
    ) -> None:
        """Wire the parts together; each must be built for the pool's states.

        Args:
            pool: the physics.
            reward: pays every car.
            observation: shows the game to every car.
            action_table: what the agents' discrete actions mean.
            resets: where episodes start.
            ends: when they end.
            seed: of the resets; each arena draws from a stream of its own.
        """
        self.pool, self.reward, self.observation = pool, reward, observation
        self.action_table, self.resets, self.ends = action_table, resets, ends
        mask = pool.states.car_mask
        self._mask = mask
        self.statistics = GameStatistics(pool.states)
        self._team_sizes = (mask.sum(axis=1) // 2).tolist()
        self._controls = np.zeros((*mask.shape, 8), np.float32)
        shape = (pool.n_agents, *observation.shape)
        # The learner stores an observation after the next step has been made, so the
        # array that the last step returned must outlive it.
        self._observations = [np.zeros(shape, np.float32) for _ in range(2)]
        self._terminal = np.zeros(shape, np.float32)
        self._returns = np.zeros(pool.n_agents)
        self._lengths = np.zeros(pool.n_agents, np.int64)
        self._actions: np.ndarray | None = None
        self.render_mode = None
        super().__init__(
            pool.n_agents,
            gymnasium.spaces.Box(-np.inf, np.inf, observation.shape, np.float32),
            gymnasium.spaces.MultiDiscrete(action_table.nvec),
        )
        self.seed(seed)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Give every arena its own stream of random numbers, drawn from `seed`."""
        streams = np.random.SeedSequence(seed).spawn(len(self._team_sizes))
        self._random = [np.random.default_rng(stream) for stream in streams]
        return [seed] * self.num_envs

    def reset(self) -> np.ndarray:
        """Begin an episode in every arena: [N,rows,columns] float32."""
        self._observations.reverse()
        self._returns[:] = 0
        self._lengths[:] = 0
        self.pool.map(self._reset_chunk)
        return self._observations[0]

    def step_async(self, actions: np.ndarray) -> None:
        """Take the agents' actions: [N,heads] integers."""
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step every arena: observations, rewards [N] float32, dones [N] bool, infos."""
        if self._actions is None:
            raise RuntimeError("step_wait() was called before step_async()")
        self._controls[self._mask] = self.action_table.parse(self._actions)
        self._actions = None
        self._observations.reverse()
        self.pool.map(self._step_chunk)
        ended = np.broadcast_to(self.ends.ended[:, None], self._mask.shape)[self._mask]
        rewards = self.reward.total[self._mask]
        self._returns += rewards
        self._lengths += 1
        return self._observations[0], rewards, ended > 0, self._infos(ended)

    def _infos(self, ended: np.ndarray) -> list[dict[str, Any]]:
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for agent in np.flatnonzero(ended):
            infos[agent] = {
                "terminal_observation": self._terminal[agent].copy(),
                "TimeLimit.truncated": bool(ended[agent] != TERMINATED),
                "episode": {"r": float(self._returns[agent]), "l": int(self._lengths[agent])},
            }
        self._returns[ended > 0] = 0
        self._lengths[ended > 0] = 0
        return infos

    def _step_chunk(self, chunk: Chunk) -> None:
        rows = slice(chunk.start, chunk.stop)
        self.pool.step_chunk(chunk, self._controls)
        self.reward.step(chunk.states, rows)
        self.statistics.update(chunk.states, rows)
        self.observation.push_actions(chunk.states, rows)
        ended = np.flatnonzero(self.ends.update(chunk.states, rows)) + chunk.start
        if len(ended):
            self._observe(chunk.states, rows, self._terminal)
            self._restart(ended)
        self._observe(chunk.states, rows, self._observations[0])

    def _reset_chunk(self, chunk: Chunk) -> None:
        rows = slice(chunk.start, chunk.stop)
        self._restart(np.arange(chunk.start, chunk.stop))
        self._observe(chunk.states, rows, self._observations[0])

    def _observe(self, states: GameStates, rows: slice, out: np.ndarray) -> None:
        self.observation.build(states, rows, out[self.observation.agents(rows)])

    def _restart(self, arenas: np.ndarray) -> None:
        for arena in arenas.tolist():
            state = self.resets(self._random[arena], self._team_sizes[arena])
            self.pool.set_state(arena, state)
            self.ends.reset(arena)
            row = slice(arena, arena + 1)
            self.observation.push_actions(select(self.pool.states, row), row)
        self.reward.reset(self.pool.states, arenas)

    def close(self) -> None:
        """End the pool's threads."""
        self.pool.close()

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
