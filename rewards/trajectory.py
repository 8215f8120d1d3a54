"""A reward over recorded play, and over states that have no history."""

from typing import NamedTuple

import numpy as np

from ..sim.state import GameStates, select
from .function import Decomposition, RewardFunction
from .spec import RewardSpec

_ROWS = 1024  # states without history that are evaluated at a time


class Evaluation(NamedTuple):
    """A reward over T states: what each term and all together paid every car."""

    names: tuple[str, ...]  # [K] terms, in the decomposition's order
    decomposition: Decomposition  # of [T,C,K] float32
    total: np.ndarray  # [T,C] float32


def evaluate_trajectory(spec: RewardSpec, states: GameStates, steps: int = 0) -> Evaluation:
    """What a reward paid over recorded play.

    Args:
        spec: the reward.
        states: T rows, one a step, of the same cars; `episode_start` marks states that an
            episode begins with. The first row is taken for such a one too.
        steps: of training that the weights' schedules stand at.

    Returns:
        For every step; NaN in rows that begin an episode, where nothing is paid.
    """
    length = len(states.score)
    reward = RewardFunction(spec, select(states, slice(0, 1)), rows=length)
    reward.set_progress(steps)
    starts = states.episode_start.copy()
    starts[:1] = True
    reward.replay(states, starts)
    parts = Decomposition(*(np.ascontiguousarray(part) for part in reward.decomposition))
    for array in (*parts, reward.total):
        array[starts] = np.nan
    return Evaluation(reward.names, parts, reward.total)


def evaluate_states(spec: RewardSpec, states: GameStates, steps: int = 0) -> Evaluation:
    """What a reward's terms are worth in states that have no history.

    Each state stands still: a step before it was the same. So events are 0, shaping is 0,
    and `value` and `weighted` show potentials and other terms as they are there.

    Args:
        spec: the reward.
        states: T rows, unrelated.
        steps: of training that the weights' schedules stand at.
    """
    chunks = [
        _still(spec, select(states, slice(start, start + _ROWS)), steps)
        for start in range(0, len(states.score), _ROWS)
    ]
    parts = (
        np.concatenate(arrays) for arrays in zip(*(c.decomposition for c in chunks), strict=True)
    )
    return Evaluation(
        chunks[0].names, Decomposition(*parts), np.concatenate([chunk.total for chunk in chunks])
    )


def _still(spec: RewardSpec, states: GameStates, steps: int) -> Evaluation:
    count = len(states.score)
    reward = RewardFunction(spec, states)
    reward.set_progress(steps)
    reward.reset(states, np.arange(count))
    reward.step(states, slice(0, count))
    return Evaluation(reward.names, reward.decomposition, reward.total)
