"""What an ablation found: means and intervals over seeds, as one table and as curves."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from rich.table import Table

from .metrics import STEP, read_metrics

CURVES = {  # metric -> what it is called
    "game/touches_per_minute": "touches a car and minute",
    "game/goals_per_minute": "goals a minute",
    "train/explained_variance": "explained variance",
    "entropy": "entropy",
}
FIGURES = {  # figure -> what it is called, and its format
    "touches": ("touches a car and minute", ".1f"),
    "touches_mean": ("touches, mean over training", ".1f"),
    "share_random": ("goals against random, %", ".1%"),
    "share_chaser": ("goals against chaser, %", ".1%"),
    "explained_variance": ("explained variance", ".3f"),
    "entropy": ("entropy", ".2f"),
    "steps_per_second": ("steps/s", ",.0f"),
}
_LATEST = 10  # iterations that a figure at the end is the mean of
_SMOOTH = 0.03  # of a curve, that a point of it is the mean of
_DRAWS = 10_000


class Estimate(NamedTuple):
    """A mean over seeds and its 95 % interval, both NaN where it cannot be told."""

    mean: float
    low: float
    high: float


class Outcome(NamedTuple):
    """A trained run: its curve up to the steps that are compared, and its games."""

    preset: str
    seed: int
    curve: dict[str, np.ndarray]  # `steps`, and metrics by name: a value an iteration
    games: dict[str, dict[str, Any]]  # opponent -> as `match_report.to_json` gives it, or none

    @property
    def figures(self) -> dict[str, float]:
        """`FIGURES` of this run."""
        touches = self.curve["game/touches_per_minute"]
        return {
            "touches": _latest(touches),
            "touches_mean": _mean_height(self.curve["steps"], touches),
            "share_random": _goal_share(self.games.get("random")),
            "share_chaser": _goal_share(self.games.get("chaser")),
            "explained_variance": _latest(self.curve["train/explained_variance"]),
            "entropy": _latest(self.curve["entropy"]),
            "steps_per_second": float(np.median(self.curve["time/overall_steps_per_second"])),
        }


def read_curve(run: Path, steps: int) -> dict[str, np.ndarray]:
    """What a run logged, up to the first iteration that reaches these steps."""
    logged = pd.DataFrame(read_metrics(run / "metrics.jsonl"))
    curve = {name: logged[name].to_numpy(np.float64) for name in logged.columns}
    curve = {"steps": curve[STEP], "entropy": -curve["train/entropy_loss"]} | curve
    end = int(np.searchsorted(curve["steps"], steps)) + 1
    return {name: values[:end] for name, values in curve.items()}


def bootstrap(values: Sequence[float]) -> Estimate:
    """The mean and its 95 % percentile interval, drawn anew from the values 10 000 times.

    Values that are NaN are left out. Of a single one nothing is known about the spread; of
    three the interval reaches from the least to the greatest.
    """
    known = np.array([value for value in values if not np.isnan(value)])
    if not len(known):
        return Estimate(np.nan, np.nan, np.nan)
    if len(known) == 1:
        return Estimate(float(known[0]), np.nan, np.nan)
    low, high = np.percentile(known[_drawn(len(known))].mean(axis=1), [2.5, 97.5]).tolist()
    return Estimate(float(known.mean()), low, high)


@cache
def _drawn(values: int) -> np.ndarray:
    return np.random.default_rng(0).integers(values, size=(_DRAWS, values))


def estimates(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Estimate]]:
    """`FIGURES` by preset, in the order in which the presets come."""
    return {
        preset: {name: bootstrap([run.figures[name] for run in runs]) for name in FIGURES}
        for preset, runs in by_preset(outcomes).items()
    }


def by_preset(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """The runs of each preset."""
    presets = dict.fromkeys(run.preset for run in outcomes)
    return {name: [run for run in outcomes if run.preset == name] for name in presets}


def smoothed(outcomes: Sequence[Outcome], metric: str) -> tuple[np.ndarray, list[Estimate]]:
    """A preset's curve over the steps that all its runs have: steps, and what the runs say.

    Every run's curve is first smoothed by a running mean.
    """
    steps = min((run.curve["steps"] for run in outcomes), key=len)
    window = max(round(len(steps) * _SMOOTH), 1)
    heights = [
        np.interp(steps, run.curve["steps"], _running_mean(run.curve[metric], window))
        for run in outcomes
    ]
    return steps, [bootstrap(values) for values in np.stack(heights, axis=1).tolist()]


def rows(
    outcomes: Sequence[Outcome], found: Mapping[str, Mapping[str, Estimate]]
) -> list[list[str]]:
    """The table, a column a preset: how many seeds it has, and its figures."""
    seeds = [str(len(runs)) for runs in by_preset(outcomes).values()]
    return [["seeds", *seeds]] + [
        [label, *(_text(figures[name], form) for figures in found.values())]
        for name, (label, form) in FIGURES.items()
    ]


def table(names: Iterable[str], rows: Sequence[Sequence[str]], title: str) -> Table:
    """`rows` for the console."""
    shown = Table("", *names, title=title)
    for row in rows:
        shown.add_row(*row)
    return shown


def markdown(names: Iterable[str], rows: Sequence[Sequence[str]]) -> str:
    """`rows` for a page."""
    head = ["", *names]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_json(
    outcomes: Sequence[Outcome], found: Mapping[str, Mapping[str, Estimate]]
) -> list[dict[str, Any]]:
    """The same as JSON values, and every seed's; None where a figure cannot be told."""
    return [
        {
            "preset": preset,
            "seeds": [run.seed for run in runs],
            "figures": {
                name: {key: _plain(value) for key, value in found[preset][name]._asdict().items()}
                | {"by_seed": [_plain(run.figures[name]) for run in runs]}
                for name in FIGURES
            },
        }
        for preset, runs in by_preset(outcomes).items()
    ]


def _latest(values: np.ndarray) -> float:
    return float(values[-_LATEST:].mean())


def _mean_height(steps: np.ndarray, values: np.ndarray) -> float:
    """The area under a curve by the length of its axis, which begins at 0."""
    return float(np.average(values, weights=np.diff(steps, prepend=0)))


def _running_mean(values: np.ndarray, window: int) -> np.ndarray:
    around = pd.Series(values).rolling(window, min_periods=1, center=True)
    return np.asarray(around.mean())


def _goal_share(result: dict[str, Any] | None) -> float:
    own, others = (0, 0) if result is None else result["goals"]
    return own / (own + others) if own + others else float("nan")


def _text(estimate: Estimate, form: str) -> str:
    mean, low, high = (f"{value:{form}}".removesuffix("%") for value in estimate)
    if np.isnan(estimate.mean):
        return "?"
    return mean if np.isnan(estimate.low) else f"{mean} [{low}, {high}]"


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else value
