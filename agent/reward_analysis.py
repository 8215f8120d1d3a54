"""`lucy rewards eval`, `report` and `surface`: from files and options to tables and pictures."""

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from ..rewards.evaluate import evaluate_recording, join_evaluations
from ..rewards.registry import COMPONENTS
from ..rewards.report import Report, reward_report
from ..rewards.spec import (
    RewardSpec,
    RewardSpecError,
    component_spec,
    load_spec,
    presets,
    suggest,
    term_spec,
)
from ..rewards.surface import REACH, Scene, Surface, Vector, surface
from ..sim.constants import TICKS_PER_SECOND
from ..sim.file_search import FileSearchError, find_files
from ..sim.recording import SUFFIX, Recording, RecordingError, load_recording
from ..sim.replay_import import REPLAY_SUFFIX, load_replay
from ..sim.replays import ReplayError
from .errors import LucyError

MAX_PANELS = 16
_STRONG = 0.3  # from which a correlation is worth a line in the terminal


class AnalysisError(LucyError):
    """A reward cannot be shown; the message says what to change."""


# What goes in and out


def check_output(path: Path, suffixes: Sequence[str] = ()) -> None:
    """Make sure, before anything is computed, that a file can be written there.

    Args:
        path: of the file; missing folders are created.
        suffixes: that it may have; any where none is given.

    Raises:
        AnalysisError: it cannot, or its suffix is none of these.
    """
    if suffixes and path.suffix not in suffixes:
        raise AnalysisError(f"{path}: expected a file name that ends in {' or '.join(suffixes)}")
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise AnalysisError(f"{path}: is a folder; name a file")
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise AnalysisError(f"{path}: cannot be written ({error}); choose another place") from error


def find_play(patterns: Sequence[str]) -> list[Path]:
    """The recordings and replays that names, folders and patterns stand for.

    Raises:
        AnalysisError: one stands for no file.
    """
    expected = (
        "recordings (.npz), replays (.replay), folders with some, or patterns such as games/*.npz"
    )
    try:
        return find_files(patterns, (SUFFIX, REPLAY_SUFFIX), "file", expected).files
    except FileSearchError as error:
        raise AnalysisError(str(error)) from error


def load_play(path: Path) -> Recording:
    """A recording, or a replay as one.

    Raises:
        AnalysisError: it cannot be read.
    """
    try:
        return load_replay(path) if path.suffix.lower() == REPLAY_SUFFIX else load_recording(path)
    except (RecordingError, ReplayError) as error:
        raise AnalysisError(str(error)) from error


# eval and report


def evaluate_file(spec: RewardSpec, path: Path) -> pd.DataFrame:
    """The tidy table of one recording or replay.

    Raises:
        AnalysisError: it cannot be read, or has no step that pays.
    """
    return _evaluate(spec, path, load_play(path))


def report_files(spec: RewardSpec, paths: Iterable[Path]) -> Report:
    """The report over several recordings and replays.

    Raises:
        AnalysisError: one cannot be read, or their steps are not equally long.
    """
    tables, first = [], None
    for path in paths:
        recording = load_play(path)
        ticks = recording.metadata.tick_skip
        first = first or (path, ticks)
        if ticks != first[1]:
            raise AnalysisError(
                f"{path} has steps of {ticks} ticks and {first[0]} of {first[1]}: what they pay a "
                "step cannot be compared; report them one by one"
            )
        tables.append(_evaluate(spec, path, recording))
    assert first is not None
    return reward_report(join_evaluations(tables), first[1] / TICKS_PER_SECOND)


def _evaluate(spec: RewardSpec, path: Path, recording: Recording) -> pd.DataFrame:
    table = evaluate_recording(spec, recording)
    if table.empty:
        raise AnalysisError(
            f"{path}: has no step that pays: an episode's first step does not, and all of "
            f"{len(recording.states.score)} are such; record a longer game"
        )
    return table


def player_sums(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """What each player earned (before team spirit) and was paid (after) in all, and its steps."""
    terms = len(table["component"].cat.categories)
    players = table.groupby("player", observed=True)
    return {
        str(name): {
            "steps": len(rows) // terms,
            "earned": float(rows["undistributed"].to_numpy(np.float64).sum()),
            "reward": float(rows["reward"].to_numpy(np.float64).sum()),
        }
        for name, rows in players
    }


def sums_table(sums: dict[str, dict[str, float]]) -> Table:
    """`player_sums` for the terminal."""
    rows = [
        [name, f"{row['steps']:,}", f"{row['earned']:.3f}", f"{row['reward']:.3f}"]
        for name, row in sums.items()
    ]
    return _table(["player", "steps", "earned itself", "after team spirit"], rows)


def print_report(console: Console, report: Report) -> None:
    """A report for the terminal."""
    console.print(
        f"{report.car_steps:,} car-steps, {report.seconds / 60:.1f} car-minutes. What each car "
        "earns itself; shares, of all that is paid, after team spirit."
    )
    components = report.components.to_dict("index")
    console.print(
        _table(
            ["component", "kind", "dense", "a second", "share"],
            [
                [
                    str(name),
                    row["kind"],
                    f"{row['density']:.2%}",
                    _number(row["per_second"]),
                    f"{row['share']:.1%}",
                ]
                for name, row in components.items()
            ],
        )
    )
    amounts = ["min", "max", "positives", "positive_mean", "negatives", "negative_mean"]
    console.print()
    console.print(
        _table(
            ["component", "least", "most", "above 0", "mean", "below 0", "mean"],
            [
                [str(name), *(_number(row[amount]) for amount in amounts)]
                for name, row in components.items()
            ],
        )
    )
    for kind, frame in (("team", report.teams), ("player", report.players)):
        console.print()
        console.print(_groups_table(kind, frame))
    console.print()
    pairs = _strong_pairs(report.correlations)
    console.print("Terms that pay together:" if pairs else "No two terms pay together.")
    for first, second, r in pairs:
        console.print(f"  {first}, {second}: r = {r:+.2f}")


def _groups_table(kind: str, frame: pd.DataFrame) -> Table:
    """What each team or player got a second, and from what most."""
    rows = []
    for name, group in frame.groupby(level=0, sort=True):
        earned = group["per_second"].droplevel(0)
        most, least = str(earned.idxmax()), str(earned.idxmin())
        reward = group["reward_per_second"].to_numpy().sum()
        sums = [_number(earned.to_numpy().sum()), _number(reward)]
        rows.append([str(name), *sums, most, least])
    headings = [kind, "earned a second", "after team spirit", "most from", "least from"]
    return _table(headings, rows)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Numbers on the right, kept whole where the terminal is narrow; words on the left."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column, heading in enumerate(headings):
        words = any(row[column] and row[column].strip("-")[0].isalpha() for row in rows)
        table.add_column(
            heading,
            justify="left" if words else "right",
            no_wrap=not words,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    return table


def _number(value: float) -> str:
    if not math.isfinite(value):
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _strong_pairs(correlations: pd.DataFrame) -> list[tuple[str, str, float]]:
    r, names = correlations.to_numpy(), list(correlations.index)
    pairs = [
        (names[i], names[j], float(r[i, j]))
        for i in range(len(names))
        for j in range(i)
        if abs(r[i, j]) >= _STRONG
    ]
    return sorted(pairs, key=lambda pair: -abs(pair[2]))


# surface


def make_surfaces(
    reward: str,
    scene: Scene,
    term: str | None,
    parameters: Sequence[str],
    varied: Sequence[str],
) -> list[list[Surface]]:
    """The panels of `lucy rewards surface`: the first varied parameter across, the second down.

    In the planes with z, whose panels are wide and low, it is the other way round.

    Args:
        reward: a component's name, a preset's, or a reward file.
        scene: what is where.
        term: of the preset or file, alone.
        parameters: `NAME=VALUE`, of the component.
        varied: at most two `NAME=VALUE,VALUE,…`.

    Raises:
        AnalysisError: what is wrong with one of these, or the value is the same everywhere.
    """
    fixed = dict(_assignment("--set", text) for text in parameters)
    axes = [_variation(text) for text in varied]
    if len(axes) > 2:
        raise AnalysisError("--vary: at most two parameters can be varied in one picture")
    across, down = [*axes, ("", [None]), ("", [None])][:2]
    if scene.axes != "xy":
        across, down = down, across
    if len(across[1]) * len(down[1]) > MAX_PANELS:
        raise AnalysisError(
            f"--vary asks for {len(across[1]) * len(down[1])} panels, at most {MAX_PANELS} can be "
            "read; vary fewer values"
        )
    try:
        panels = [
            [
                _panel(reward, scene, term, fixed, [(across[0], first), (down[0], second)])
                for first in across[1]
            ]
            for second in down[1]
        ]
    except RewardSpecError as error:
        raise AnalysisError(str(error)) from error
    if all(panel.is_flat for row in panels for panel in row):
        raise AnalysisError(
            f"{term or reward} is {np.nanmax(panels[0][0].value):g} wherever the {scene.moved} is: "
            "there is nothing to draw. Move the other thing (--move), give velocities, or --touch; "
            "what pays for a change from one step to the next has no surface"
        )
    return panels


def _panel(
    reward: str,
    scene: Scene,
    term: str | None,
    fixed: dict[str, float | bool],
    varied: Sequence[tuple[str, float | bool | None]],
) -> Surface:
    chosen = {name: value for name, value in varied if value is not None}
    title = ", ".join(f"{name} = {_plain(value)}" for name, value in chosen.items())
    return surface(_reward(reward, term, fixed | chosen), scene, title)


def _reward(reward: str, term: str | None, parameters: dict[str, float | bool]) -> RewardSpec:
    if reward in presets() or reward.endswith(".toml"):
        if parameters:
            raise AnalysisError(
                f"--set and --vary change a component's parameters, and {reward} is a whole "
                "reward; name a component"
            )
        spec = load_spec(reward)
        return term_spec(spec, term) if term else spec
    if reward not in COMPONENTS and ":" not in reward:
        raise AnalysisError(
            f"unknown component or reward {reward!r}{suggest(reward, [*COMPONENTS, *presets()])}: "
            "`lucy rewards list` shows all; a reward of yours is a .toml file"
        )
    if term:
        raise AnalysisError(f"--term takes a part out of a whole reward; {reward} is a component")
    return component_spec(reward, parameters)


def _plain(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _assignment(option: str, text: str) -> tuple[str, float | bool]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise AnalysisError(f"{option} {text}: expected NAME=VALUE, such as dispersion=0.5")
    return name, _value(option, text, value)


def _variation(text: str) -> tuple[str, list[Any]]:
    name, equals, values = text.partition("=")
    if not (name and equals):
        raise AnalysisError(f"--vary {text}: expected NAME=VALUE,VALUE, such as dispersion=0.5,1,2")
    return name, [_value("--vary", text, value) for value in values.split(",")]


def _value(option: str, text: str, value: str) -> float | bool:
    if value.strip() in ("true", "false"):
        return value.strip() == "true"
    try:
        return float(value)
    except ValueError as error:
        raise AnalysisError(
            f"{option} {text}: {value!r} is neither a number nor true or false"
        ) from error


def parse_vector(option: str, text: str) -> Vector:
    """Three numbers `x,y,z`.

    Raises:
        AnalysisError: it is anything else.
    """
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        raise AnalysisError(f"{option} {text}: expected three numbers x,y,z") from error
    if not all(math.isfinite(number) for number in (x, y, z)):
        raise AnalysisError(f"{option} {text}: expected finite numbers")
    return x, y, z


def parse_place(option: str, text: str) -> Vector:
    """A place on the field, `x,y,z` in uu.

    Raises:
        AnalysisError: no three numbers, or outside the field.
    """
    place = parse_vector(option, text)
    if any(not low <= number <= high for number, (low, high) in zip(place, REACH, strict=True)):
        reach = ", ".join(f"{low:g} to {high:g}" for low, high in REACH)
        raise AnalysisError(f"{option} {text}: is outside the field, whose x, y, z are {reach}")
    return place
