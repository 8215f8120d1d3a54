"""Observations: Lucy's, Necto's and Nexto's, each by a Numba kernel over many arenas."""

from .base import MAX_PLAYERS, Observation
from .lucy import ACTION_STACK, N_COLUMNS, N_FEATURES, LucyObservation, ball_forward
from .necto import NectoObservation
from .nexto import NextoObservation

OBSERVATIONS: dict[str, type[Observation]] = {
    "lucy": LucyObservation,
    "necto": NectoObservation,
    "nexto": NextoObservation,
}


def observation_kind(name: str, action_stack: int = ACTION_STACK) -> type[Observation]:
    """The observation of this name.

    Args:
        name: one of `OBSERVATIONS`.
        action_stack: how many of the latest actions Lucy's shows.

    Raises:
        ValueError: an unknown name, or another stack of actions than an observation can have.
    """
    if name not in OBSERVATIONS:
        raise ValueError(f"unknown observation {name!r}: expected one of {list(OBSERVATIONS)}")
    if not 0 <= action_stack <= ACTION_STACK:
        raise ValueError(f"a stack of {action_stack} actions: expected 0 to {ACTION_STACK}")
    if name == "lucy":
        return LucyObservation.with_stack(action_stack)
    if action_stack != ACTION_STACK:
        raise ValueError(
            f"a stack of {action_stack} actions is for Lucy's observation alone: leave it out "
            f"with {name!r}"
        )
    return OBSERVATIONS[name]


__all__ = [
    "ACTION_STACK",
    "MAX_PLAYERS",
    "N_COLUMNS",
    "N_FEATURES",
    "OBSERVATIONS",
    "LucyObservation",
    "NectoObservation",
    "NextoObservation",
    "Observation",
    "ball_forward",
    "observation_kind",
]
