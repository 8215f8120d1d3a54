"""Runs: their list, their curves, and what usually goes wrong in one."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ...agent.store import RunStatus, readers
from ...agent.store.readers import RunSummary
from .cache import Cache
from .errors import DataError
from .store_view import StoreView

CURVE_POINTS = 400  # a panel is hardly wider in pixels
SHARE_POINTS = 300

_LIST_SECONDS = 1.0  # that a list of runs is shown to several viewers
_CHOICE_SECONDS = 5.0  # that it serves to open a run; a page's ticks renew it before
_SETTINGS_SECONDS = 20.0
_SILENT_SECONDS = 180.0  # without a word, after which a running training is taken for stopped
_MOST_RUNS = 8  # curves that can be told apart
_RECENT = 0.1  # of a run's iterations, that warnings look at


class RunRow(NamedTuple):
    """A run as the list shows it."""

    id: int
    name: str
    status: str
    mode: str
    reward: str
    seed: int | None
    steps: int
    steps_per_second: float | None
    goals_per_minute: float | None
    rating: float | None
    updated: float
    machine: str


@dataclass(frozen=True)
class RunCurves:
    """One run's curves."""

    summary: RunSummary
    label: str
    group: str  # runs that differ in their seed alone share it
    metrics: pd.DataFrame  # `steps`, `hours`, and every metric
    ratings: pd.DataFrame  # `steps`, `hours`, `mode`, `mu`, `sigma`


class Warning(NamedTuple):
    """Something that usually goes wrong, found in a run."""

    title: str
    text: str
    metric: str  # or component, that shows it


class Runs:
    """Reads runs for many viewers at once."""

    def __init__(self, store: StoreView) -> None:
        """Read them from this store."""
        self._store = store
        self._lists = Cache(4)
        self._curves = Cache(64)

    def summaries(self, seconds: float = _LIST_SECONDS) -> list[RunSummary]:
        """Every run, the newest first, as they stood at most so many seconds ago.

        Raises:
            DataError: the store cannot be read.
        """
        return self._lists.get(
            ("list", self._store.identity),
            lambda: self._store.read(readers.list_runs),
            seconds,
        )

    def rows(self) -> list[RunRow]:
        """The list as a table shows it.

        Raises:
            DataError: the store cannot be read.
        """
        settings = self._settings()
        return [_row(run, settings.get(run.id, {})) for run in self.summaries()]

    def get(self, run: int, seconds: float = _LIST_SECONDS) -> RunSummary:
        """One run, as it stood at most so many seconds ago.

        Raises:
            DataError: there is none of this number, or the store cannot be read.
        """
        for summary in self.summaries(seconds):
            if summary.id == run:
                return summary
        raise DataError(f"There is no run {run} in the store any more. Choose another above.")

    def config(self, run: int) -> Mapping[str, Any]:
        """What a run was told; empty for one that is too new to be known."""
        return self._settings().get(run, {})

    def curves(self, run: int) -> RunCurves:
        """The curves of a run.

        Raises:
            DataError: there is no such run, or the store cannot be read.
        """
        summary = self.get(run, _CHOICE_SECONDS)
        key = "curves", self._store.identity, run, summary.steps, summary.updated
        return self._curves.get(key, lambda: self._read_curves(summary))

    def components(self, run: int) -> pd.DataFrame:
        """Statistics of a run's reward components; see `readers.component_statistics`.

        Raises:
            DataError: there is no such run, or the store cannot be read.
        """
        summary = self.get(run, _CHOICE_SECONDS)
        key = "components", self._store.identity, run, summary.steps, summary.updated
        return self._curves.get(
            key, lambda: self._store.read(readers.component_statistics, run, points=SHARE_POINTS)
        )

    def warnings(self, run: int) -> list[Warning]:
        """What usually goes wrong, where it shows in this run.

        Raises:
            DataError: there is no such run, or the store cannot be read.
        """
        return find_warnings(self.curves(run).metrics, self.components(run))

    def _settings(self) -> dict[int, Mapping[str, Any]]:
        found = self._lists.get(
            ("settings", self._store.identity),
            lambda: self._store.read(readers.all_settings),
            _SETTINGS_SECONDS,
        )
        return {run: settings.config for run, settings in found.items()}

    def _read_curves(self, summary: RunSummary) -> RunCurves:
        metrics: Any = self._store.read(readers.read_metrics, summary.id, points=CURVE_POINTS)
        ratings: Any = self._store.read(readers.read_ratings, run=summary.id)
        ratings = ratings[ratings["steps"].notna()]
        first = metrics["time"].min() if metrics["time"].notna().any() else summary.started
        metrics.insert(2, "hours", (metrics["time"] - min(first, summary.started)) / 3600)
        ratings = ratings.assign(hours=(ratings["time"] - summary.started) / 3600)
        return RunCurves(
            summary,
            f"{summary.name} #{summary.id}",
            _group(summary, self.config(summary.id)),
            metrics,
            ratings[["steps", "hours", "mode", "mu", "sigma"]],
        )


def status(run: RunSummary, now: float | None = None) -> str:
    """How a run stands; `silent` for one that says it runs and has not been heard of."""
    age = (time.time() if now is None else now) - run.updated
    if run.status == RunStatus.RUNNING and age > _SILENT_SECONDS:
        return "silent"
    return run.status


def _row(run: RunSummary, config: Mapping[str, Any]) -> RunRow:
    environment = config.get("environment") or {}
    ratings = sorted(run.ratings.values(), key=lambda rating: rating.time)
    return RunRow(
        run.id,
        run.name,
        status(run),
        str(environment.get("mode", "")),
        str(environment.get("reward", "")),
        config.get("seed"),
        run.steps,
        run.latest.get("time/overall_steps_per_second"),
        run.latest.get("game/goals_per_minute"),
        ratings[-1].mu if ratings else None,
        run.updated,
        run.machine,
    )


def _group(summary: RunSummary, config: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in config.items() if key not in ("seed", "steps")}
    return repr(sorted(rest.items())) if rest else f"run {summary.id}"


def find_warnings(metrics: pd.DataFrame, components: pd.DataFrame) -> list[Warning]:
    """What usually goes wrong, where a run's newest tenth shows it.

    Args:
        metrics: of `readers.read_metrics`.
        components: of `readers.component_statistics`.
    """
    if len(metrics) < 5:  # too young to judge
        return []
    recent = metrics.tail(max(3, math.ceil(len(metrics) * _RECENT)))
    return [*_policy_warnings(metrics, recent), *_component_warnings(components)]


def _policy_warnings(metrics: pd.DataFrame, recent: pd.DataFrame) -> list[Warning]:
    found = []
    entropy, first_entropy = (
        -_mean(frame, "train/entropy_loss") for frame in (recent, metrics.head(3))
    )
    if entropy < 0.1 * first_entropy:
        found.append(
            Warning(
                "Entropy collapsed",
                f"{entropy:.3g} nats against {first_entropy:.3g} at the start: the policy hardly "
                "tries anything else. Raise ppo.ent_coef, or look for a reward that one habit "
                "already earns.",
                "train/entropy_loss",
            )
        )
    kl, clipped = _mean(recent, "train/approx_kl"), _mean(recent, "train/clip_fraction")
    most_clipped = metrics["train/clip_fraction"].max() if "train/clip_fraction" in metrics else 0.0
    if kl < 1e-3 and clipped < 0.25 * most_clipped:
        found.append(
            Warning(
                "Updates hardly change the policy",
                f"KL {kl:.2g} with a clip fraction of {clipped:.2g} (once {most_clipped:.2g}). "
                "Raise ppo.learning_rate or ppo.n_epochs, or take it for finished.",
                "train/approx_kl",
            )
        )
    explained = _mean(recent, "train/explained_variance")
    if explained < 0.1:
        found.append(
            Warning(
                "The critic explains little",
                f"Explained variance is {explained:.2g}: advantages are mostly noise. Look for "
                "a rare, large event, or lower ppo.gamma.",
                "train/explained_variance",
            )
        )
    return found


def _component_warnings(components: pd.DataFrame) -> list[Warning]:
    if components.empty:
        return []
    steps = np.unique(components["steps"].to_numpy())
    newest = components[components["steps"] >= steps[-max(3, math.ceil(len(steps) * _RECENT))]]
    shares: Any = newest.groupby("component", observed=True)["share"].mean()
    fired = components.assign(fired=components["positive"] + components["negative"])
    count: Any = fired.groupby("component", observed=True)["fired"].sum(min_count=1)
    found = [
        Warning(
            f"{name} is {share:.0%} of all that is paid",
            "One component over 60 % drowns the others: lower its weight, or see under "
            "Reward whether the others still tell the agent anything.",
            str(name),
        )
        for name, share in shares.items()
        if share > 0.6
    ]
    never = [str(name) for name, times in count.items() if times == 0]
    if never:
        found.append(
            Warning(
                f"{', '.join(never)} never paid",
                "Not once so far: the agent may not be good enough yet to reach it, or its "
                "condition cannot come true here.",
                never[0],
            )
        )
    return found


def _mean(frame: pd.DataFrame, metric: str) -> float:
    return float(frame[metric].to_numpy().mean()) if metric in frame else math.nan


def parse_runs(text: str | None) -> Sequence[int]:
    """Run numbers of a link such as `3,5`; what is no number is left out."""
    parts = (text or "").split(",")
    numbers = [
        int(part) for part in parts if part.isascii() and part.isdecimal() and len(part) < 12
    ]
    return list(dict.fromkeys(numbers))[:_MOST_RUNS]
