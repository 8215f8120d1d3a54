"""Compiling kernels before anything waits for them, where a person sees what is going on."""

from typing import Any

import torch
from numba.core import event
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn
from stable_baselines3.common.logger import Logger

from ..rewards.function import is_compiled
from .config import TrainConfig, change
from .environment import build_env
from .match import play
from .messages import text_column
from .model import build_model
from .opponents import Bot

_MOMENT = {
    "environment.arenas": 4,
    "environment.processes": 1,
    "ppo.n_steps": 8,
    "ppo.batch_size": 32,
    "ppo.n_epochs": 1,
}


def warm_up(config: TrainConfig, first: Bot, second: Bot, console: Console) -> None:
    """Train and play for a moment; Numba keeps what that compiles, for the next time too.

    Args:
        config: of the training to come, with four cars or more in four arenas.
        first: who will play.
        second: against whom.
        console: where progress is shown.
    """
    if not is_compiled():
        console.print("Compiling kernels, on the first start alone: about half a minute …")
    progress = _shown(console)
    with progress, event.install_listener("numba:compile", _Kernels(progress)):
        _train(change(config.model_dump(mode="json"), _MOMENT))
        play(first, second, mode="1v1", games=1, seconds=1.0)


def _train(config: TrainConfig) -> None:
    """One iteration, of which nothing is kept."""
    env = build_env(config.environment, config.seed)
    try:
        model = build_model(config, env, torch.device("cpu"))
        model.set_logger(Logger(None, []))
        model.learn(1, log_interval=None)  # pyright: ignore[reportArgumentType]
    finally:
        env.close()


def _shown(console: Console) -> Progress:
    columns = (SpinnerColumn(), text_column("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


class _Kernels(event.Listener):
    """Says which kernel is being compiled; those that it calls are part of it."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._task = progress, progress.add_task("Getting ready", total=None)
        self._begun = self._depth = 0

    def on_start(self, event: Any) -> None:
        self._depth += 1
        if self._depth == 1:
            self._begun += 1
            name = event.data["dispatcher"].py_func.__name__.strip("_").replace("_", " ")
            self._say(f"Compiling kernel {self._begun}: {name}")

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if not self._depth:
            self._say("Getting ready")

    def _say(self, what: str) -> None:
        self._progress.update(self._task, description=what)
