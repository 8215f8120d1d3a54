"""Marks in a course of computations, and the seconds between them: on a GPU by its own clock."""

import itertools
import time
from collections.abc import Sequence

import torch

Mark = float | torch.cuda.Event


def mark(device: torch.device) -> Mark:
    """Now; on a GPU when it has done what it was given so far, which is not waited for."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream(device))
    return event


def seconds_between(marks: Sequence[Mark]) -> list[float]:
    """From each mark to the next; a GPU must have passed them all."""
    return [_seconds(*pair) for pair in itertools.pairwise(marks)]


def _seconds(start: Mark, end: Mark) -> float:
    if isinstance(start, float) and isinstance(end, float):
        return end - start
    assert isinstance(start, torch.cuda.Event) and isinstance(end, torch.cuda.Event)
    return start.elapsed_time(end) / 1000
