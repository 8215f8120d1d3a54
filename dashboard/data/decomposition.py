"""A reward over one game: what each component paid whom, from its raw value to the payment."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ...rewards.spec import RewardSpec
from ...rewards.trajectory import Evaluation
from .recordings import Game


class Balance(NamedTuple):
    """What a reward paid some cars of a game, a minute each."""

    table: pd.DataFrame  # [K], see `balance`
    correlations: pd.DataFrame  # [K,K] of what each car earned itself, NaN where one never changed
    car_minutes: float


def balance(spec: RewardSpec, game: Game, evaluation: Evaluation, cars: np.ndarray) -> Balance:
    """What a reward's components paid cars, a car and minute.

    Args:
        spec: the reward.
        game: in which.
        evaluation: of the reward over the game.
        cars: their slots; all together.

    Returns:
        A row a component, in the reward's order: `component`, `kind` (`shaping` or `event`),
        `raw` and `weighted` (means of a car and step), and a minute: `gain`, `loss`, `earned`
        (the two together, what the cars earn themselves), `paid` (after team spirit), and
        `share` (of all that is paid, by absolute value).
    """
    parts = evaluation.decomposition
    there = game.states.car_mask[:, cars] & np.isfinite(evaluation.total[:, cars])
    minutes = max(int(there.sum()) * game.step_seconds / 60, 1e-9)

    def chosen(values: np.ndarray) -> np.ndarray:
        return values[:, cars][there].astype(np.float64)  # [N,K]

    earned, paid = chosen(parts.undistributed), chosen(parts.reward)
    mass = np.abs(paid).sum(axis=0)
    raw, weighted = chosen(parts.value), chosen(parts.weighted)
    count = max(len(raw), 1)
    table = pd.DataFrame(
        {
            "component": list(evaluation.names),
            "kind": ["shaping"] * len(spec.potential) + ["event"] * len(spec.events),
            "raw": raw.sum(axis=0) / count,
            "weighted": weighted.sum(axis=0) / count,
            "gain": earned.clip(0).sum(axis=0) / minutes,
            "loss": earned.clip(None, 0).sum(axis=0) / minutes,
            "earned": earned.sum(axis=0) / minutes,
            "paid": paid.sum(axis=0) / minutes,
            "share": mass / max(float(mass.sum()), 1e-12),
        }
    )
    return Balance(table, _correlations(evaluation.names, earned), minutes)


def _correlations(names: tuple[str, ...], earned: np.ndarray) -> pd.DataFrame:
    centred = earned - earned.mean(axis=0, keepdims=True) if len(earned) else earned
    length = np.sqrt((centred * centred).sum(axis=0))
    unit = centred / np.where(length > 0, length, np.nan)
    return pd.DataFrame((unit.T @ unit).clip(-1, 1), index=list(names), columns=list(names))
