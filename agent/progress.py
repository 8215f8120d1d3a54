"""What a person sees of a running training: a bar with steps/s and time left."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TimeRemainingColumn,
)
from stable_baselines3.common.callbacks import BaseCallback

from .messages import text_column

_SECONDS_BETWEEN_LINES = 30.0  # where the output is no terminal
_WIDE = 140  # columns: narrower ones have room for steps and time left, not for the phases' shares


def in_words(seconds: float) -> str:
    """A length of time as one says it."""
    minutes = round(seconds / 60)
    if minutes <= 1:
        return "about a minute" if seconds > 45 else "less than a minute"
    return f"about {minutes} minutes" if minutes < 90 else f"about {round(minutes / 60)} hours"


class Interruption:
    """Whether the user asked to stop, or the time is up."""

    def __init__(self, seconds: float = float("inf")) -> None:
        """The time is up in so many seconds."""
        self.by_user = False
        self.seconds = seconds
        self._start = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._start

    @property
    def time_is_up(self) -> bool:
        """Whether as many seconds have passed."""
        return self.elapsed > self.seconds


@contextmanager
def stop_on_interrupt(seconds: float = float("inf")) -> Iterator[Interruption]:
    """Turn the first Ctrl-C (or SIGTERM) into a request; a second one stops at once."""
    interruption = Interruption(seconds)

    def request(number: int, frame: Any) -> None:
        if interruption.by_user:
            raise KeyboardInterrupt
        interruption.by_user = True

    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, request) for number in numbers]
    try:
        yield interruption
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


class ProgressCallback(BaseCallback):
    """Shows progress, in steps or in seconds, and ends the training when it is asked to."""

    def __init__(self, console: Console, steps: int, interruption: Interruption) -> None:
        """Show on this console.

        Args:
            console: where.
            steps: agent-steps at the end.
            interruption: asked at every step.
        """
        super().__init__()
        self._console, self._steps, self._interruption = console, steps, interruption
        self._timed = math.isfinite(interruption.seconds)
        self._rollouts = 0
        columns = [
            text_column("{task.description}"),
            BarColumn(bar_width=None),
            text_column("{task.completed:,.0f}/{task.total:,.0f}"),
            text_column("{task.fields[rate]}"),
            TimeRemainingColumn(),
        ]
        if console.width >= _WIDE:
            columns.append(text_column("{task.fields[shares]}", style="dim"))
        self._progress = Progress(
            *columns, console=console, expand=True, disable=not console.is_terminal
        )
        self._last_line = time.perf_counter()

    def _on_training_start(self) -> None:
        self._start = (self.num_timesteps, time.perf_counter())
        self._task = self._progress.add_task(
            "collecting",
            total=round(self._interruption.seconds) if self._timed else self._steps,
            rate="",
            shares="",
        )
        self._progress.start()

    def _on_rollout_start(self) -> None:
        self._rollouts += 1
        shares = getattr(self.model, "shares", {})
        text = ", ".join(f"{phase} {share:.0%}" for phase, share in shares.items())
        self._progress.update(self._task, description="collecting", shares=text)

    def _on_step(self) -> bool:
        rate = f"{self._rate():,.0f} steps/s"
        done = round(self._interruption.elapsed) if self._timed else self.num_timesteps
        self._progress.update(self._task, completed=done, rate=rate)
        # However slow the machine, a time is enough for one iteration
        timed_out = self._rollouts > 1 and self._interruption.time_is_up
        return not (self._interruption.by_user or timed_out)

    def _on_rollout_end(self) -> None:
        self._progress.update(self._task, description="learning  ")
        now = time.perf_counter()
        if not self._console.is_terminal and now - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = now
            goal = "" if self._timed else f" of {self._steps:,}"
            touches = self.logger.name_to_value.get("game/touches_per_minute", 0.0)
            self._console.print(
                f"{self.num_timesteps:,}{goal} steps, {self._rate():,.0f} steps/s, "
                f"{touches:.1f} touches a minute{self._left()}",
                soft_wrap=True,
            )
        if self._rollouts == 1:  # which also started processes, and perhaps compiled
            self._start = (self.num_timesteps, now)

    def _left(self) -> str:
        if self._timed or self._rollouts == 1:
            return ""
        seconds = (self._steps - self.num_timesteps) / max(self._rate(), 1e-9)
        return f", {in_words(max(seconds, 0.0))} left"

    def _rate(self) -> float:
        steps, start = self._start
        return (self.num_timesteps - steps) / max(time.perf_counter() - start, 1e-9)

    def _on_training_end(self) -> None:
        self.close()

    def close(self) -> None:
        """Give the terminal back."""
        self._progress.stop()
