"""Observations: Lucy's, Necto's and Nexto's, each by a Numba kernel over many arenas."""

from .base import MAX_PLAYERS, Observation
from .lucy import ACTION_STACK, N_COLUMNS, N_FEATURES, LucyObservation
from .necto import NectoObservation
from .nexto import NextoObservation

OBSERVATIONS: dict[str, type[Observation]] = {
    "lucy": LucyObservation,
    "necto": NectoObservation,
    "nexto": NextoObservation,
}

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
]
