"""What a reward's terms paid over many steps: sums that can be added over processes."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np


class RewardSums(NamedTuple):
    """Sums over car-steps; `value` is a term's raw value, `reward` what it paid after sharing.

    Add those of several environments with `add_sums`.
    """

    car_steps: np.ndarray  # [] float64
    total: np.ndarray  # [2] float64: sum of all rewards, and of their squares
    value_sum: np.ndarray  # [K] float64, as all below
    value_squares: np.ndarray
    value_mass: np.ndarray  # sum of absolute values
    value_positive: np.ndarray  # car-steps above 0
    value_negative: np.ndarray
    reward_sum: np.ndarray
    reward_squares: np.ndarray
    reward_mass: np.ndarray
    reward_positive: np.ndarray
    reward_negative: np.ndarray


def add_sums(sums: Iterable[RewardSums]) -> RewardSums:
    """The sums over all that went into these."""
    return RewardSums(*(np.sum(arrays, axis=0) for arrays in zip(*sums, strict=True)))


def reward_metrics(names: Sequence[str], sums: RewardSums) -> dict[str, float]:
    """What a training logs of its reward.

    Args:
        names: [K] the terms.
        sums: over an iteration.

    Returns:
        For each term: `reward/` its mean pay a car and step after team spirit,
        `reward_spread/` the standard deviation of that, `reward_share/` its share of all
        that is paid, by absolute value, `reward_positive/` and `reward_negative/` the
        number of car-steps on which it paid or charged, `reward_value/` its mean raw value.
        `reward/total` and `reward_spread/total` of their sum.
    """
    steps = max(float(sums.car_steps), 1.0)
    mass = max(float(sums.reward_mass.sum()), 1e-12)
    columns = {
        "reward": sums.reward_sum / steps,
        "reward_spread": _spread(sums.reward_sum, sums.reward_squares, steps),
        "reward_share": sums.reward_mass / mass,
        "reward_positive": sums.reward_positive,
        "reward_negative": sums.reward_negative,
        "reward_value": sums.value_sum / steps,
    }
    metrics = {
        f"{kind}/{name}": float(value)
        for kind, values in columns.items()
        for name, value in zip(names, values, strict=True)
    }
    total, squares = sums.total
    metrics["reward/total"] = float(total / steps)
    metrics["reward_spread/total"] = float(_spread(total, squares, steps))
    return metrics


def _spread(total: np.ndarray, squares: np.ndarray, steps: float) -> np.ndarray:
    return np.sqrt(np.maximum(squares / steps - (total / steps) ** 2, 0.0))
