"""What the parts of a simulation keep from step to step, gathered to be saved and restored."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Saved = dict[str, np.ndarray]
"""Copies by name. `arena/…` are [A,...], `car/…` [N,...] of the cars alone, arena by arena: so
those of neighbouring arenas can be joined and split, however wide their slots are."""


class SavedError(ValueError):
    """What was saved does not fit; the message says where."""


class Memory(NamedTuple):
    """The live arrays of a part, by name."""

    arenas: dict[str, np.ndarray]  # [A,...]
    cars: dict[str, np.ndarray]  # [A,C,...]


def save(memory: Memory, car_mask: np.ndarray) -> Saved:
    """Copies of a part's memory; `car_mask` [A,C] says which slots hold a car."""
    arenas = {f"arena/{name}": array.copy() for name, array in memory.arenas.items()}
    return arenas | {f"car/{name}": array[car_mask] for name, array in memory.cars.items()}


def restore(memory: Memory, car_mask: np.ndarray, saved: Mapping[str, np.ndarray]) -> None:
    """Overwrite a part's memory with what `save` copied."""
    for name, array in memory.arenas.items():
        array[...] = saved[f"arena/{name}"]
    for name, array in memory.cars.items():
        array[car_mask] = saved[f"car/{name}"]


def check(saved: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    """Make sure that what was saved has the names, shapes and types of these.

    Raises:
        SavedError: It has not.
    """
    if odd := sorted(saved.keys() ^ expected.keys()):
        raise SavedError(f"{odd[0]} is only in one of them")
    for name, array in expected.items():
        found = saved[name]
        if (found.shape, found.dtype) != (array.shape, array.dtype):
            raise SavedError(
                f"{name} is {list(found.shape)} {found.dtype}, "
                f"expected {list(array.shape)} {array.dtype}"
            )


def join(parts: list[Saved]) -> Saved:
    """What neighbouring arenas have saved, as of one simulation."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def part(saved: Mapping[str, np.ndarray], arenas: slice, cars: slice) -> Saved:
    """What some arenas, with these cars, have saved."""
    return {
        name: array[arenas if name.startswith("arena/") else cars] for name, array in saved.items()
    }
