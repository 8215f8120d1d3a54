"""How hard each opponent is to beat, and how often it is therefore met."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

_MEMORY = 100  # goals: older ones fade, as the learner is another by then


class Results:
    """Goals for and against the learner, by mode and opponent.

    Every goal against an opponent lets the earlier ones count 1 % less.
    """

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._goals: dict[str, dict[str, tuple[float, float]]] = {}

    def state(self) -> dict[str, dict[str, tuple[float, float]]]:
        """JSON values for `restore`: by mode and opponent, goals for and against as they count."""
        return self._goals

    def restore(self, state: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
        """Go on from what `state` returned."""
        self._goals = {
            mode: {name: (pair[0], pair[1]) for name, pair in table.items()}
            for mode, table in state.items()
        }

    def add(self, mode: str, opponent: str, *, own: bool) -> None:
        """Count a goal, the learner's own or the opponent's."""
        scored, conceded = self._pair(mode, opponent)
        fade = 1 - 1 / _MEMORY
        pair = (fade * scored + own, fade * conceded + (not own))
        self._goals.setdefault(mode, {})[opponent] = pair

    def share(self, mode: str, opponents: Collection[str]) -> float:
        """The learner's share of the goals against these together.

        (f + 1) / (f + a + 2) for f goals and a against: 1/2 as long as nothing is known.
        """
        pairs = [self._pair(mode, opponent) for opponent in opponents]
        scored, conceded = (sum(column) for column in zip(*pairs, strict=True))
        return (scored + 1) / (scored + conceded + 2)

    def forget(self, opponents: Collection[str]) -> None:
        """Drop opponents that are met no more."""
        for table in self._goals.values():
            for name in opponents:
                table.pop(name, None)

    def _pair(self, mode: str, opponent: str) -> tuple[float, float]:
        return self._goals.get(mode, {}).get(opponent, (0.0, 0.0))


def pfsp(shares: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Prioritised fictitious self-play: the odds at which opponents are met.

    p_i ∝ (1 - x_i)² where x_i is how surely the learner beats opponent i, so those that it
    beats already are hardly met. Source: AlphaStar (Vinyals et al., Nature 575, 2019),
    f_hard with p = 2.

    Args:
        shares: x_i, below 1.

    Returns:
        p, which adds up to 1.
    """
    weights = (1 - np.asarray(shares, np.float64)) ** 2
    return weights / weights.sum()
