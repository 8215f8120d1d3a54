"""Named numbers as bytes, and back."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .values import STATISTICS, ComponentStatistics

_NUMBER = np.dtype("<f8")


def with_new(names: Sequence[str], more: Iterable[str]) -> list[str]:
    """The names, and after them those of `more` that they lack."""
    known = set(names)
    return [*names, *(name for name in more if name not in known)]


def pack_metrics(names: Sequence[str], metrics: Mapping[str, float]) -> bytes:
    """Metrics in the order of `names`; NaN for those that are not there."""
    values = [metrics.get(name, np.nan) for name in names]
    return np.array(values, _NUMBER).tobytes()


def pack_components(names: Sequence[str], components: Mapping[str, ComponentStatistics]) -> bytes:
    """Statistics of K components in the order of `names`, [K,6]."""
    nothing = (np.nan,) * len(STATISTICS)
    rows = [components.get(name, nothing) for name in names]
    return np.array(rows, _NUMBER).tobytes()


def unpack(rows: Sequence[bytes], columns: int) -> np.ndarray:
    """Packed rows as one table; NaN where a row is older than its last columns.

    Returns:
        [len(rows),columns] float64.
    """
    table = np.full((len(rows), columns), np.nan)
    for row, packed in zip(table, rows, strict=True):
        numbers = np.frombuffer(packed, _NUMBER)
        row[: len(numbers)] = numbers
    return table
