"""`lucy ablate`: presets by seeds, trained one after another, then played."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from plotly.graph_objects import Figure
from rich.console import Console

from ..rewards.drawing import PictureError, save_picture
from ..sim.shell import shell_line
from . import checkpoint, match_report
from .ablation_figure import curves_figure
from .ablation_report import Outcome, estimates, markdown, read_curve, rows, table, to_json
from .checkpoint import write_json_atomically
from .config import ConfigError, TrainConfig, change, load_preset
from .errors import LucyError
from .match_report import play_with_progress
from .opponents import make_bot
from .run_dir import saved_settings
from .store import Store
from .train import train

OPPONENTS = ("random", "chaser")
_MATCH_SEED = 0  # the same games for every run

# What may differ between the parts of one run: it decides how fast it goes and how long
_FREE = {"steps", "learner", "checkpoints"}


class AblationError(LucyError):
    """There is nothing to compare; the message says what to do."""


class Ablation(NamedTuple):
    """What is compared: every preset with every seed."""

    presets: tuple[str, ...]
    seeds: int
    directory: Path
    steps: int
    base: str | None = None  # see `load_preset`
    changes: Mapping[str, Any] = {}  # of all of them

    @property
    def runs(self) -> "list[AblationRun]":
        """All of them, seed by seed, so that stopping early leaves whole comparisons.

        Raises:
            ConfigError: see `load_preset`.
        """
        return [
            AblationRun(
                preset,
                seed,
                self.directory / f"{preset}-seed{seed}",
                load_preset(preset, {**self.changes, "steps": self.steps, "seed": seed}, self.base),
            )
            for seed in range(self.seeds)
            for preset in self.presets
        ]


class AblationRun(NamedTuple):
    """One preset with one seed."""

    preset: str
    seed: int
    directory: Path
    config: TrainConfig

    @property
    def begun(self) -> bool:
        """Whether there is something to go on with."""
        return self._config_file.exists()

    @property
    def steps(self) -> int:
        """Agent-steps that its newest whole checkpoint has seen; 0 without any."""
        newest = checkpoint.newest(self.directory / "checkpoints")
        return 0 if newest is None else checkpoint.load(newest).counters["steps"]

    @property
    def finished(self) -> bool:
        """Whether all its steps are done."""
        return self.steps >= self.config.steps

    def check(self) -> None:
        """See that what was trained already is what is asked for.

        Raises:
            ConfigError: it was trained with other settings.
        """
        if not self.begun:
            return
        saved = change(saved_settings(self.directory), {})
        for name, (asked, had) in _differences(self.config, saved).items():
            raise ConfigError(
                f"{self.directory}: was trained with {name} = {had!r}, and {asked!r} is asked for "
                f"now: {_ask_again(name, had)}choose another --run-dir"
            )

    @property
    def _config_file(self) -> Path:
        return self.directory / "config.json"


def _differences(asked: TrainConfig, had: TrainConfig) -> dict[str, tuple[Any, Any]]:
    one, other = (_flat(config) for config in (asked, had))
    return {name: (one[name], other[name]) for name in one if one[name] != other[name]}


def _ask_again(name: str, value: Any) -> str:
    if value is None:  # which `--set` cannot say
        return ""
    return f"ask for {shell_line('--set', f'{name}={_toml(value)}')} again, or "


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


def _flat(config: TrainConfig) -> dict[str, Any]:
    settings = config.model_dump(exclude=_FREE)
    settings["environment"].pop("processes")
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        is_section = isinstance(value, dict)
        flat |= {f"{name}.{key}": v for key, v in value.items()} if is_section else {name: value}
    return flat


def announce(runs: list[AblationRun], console: Console) -> None:
    """Say what is there and what is to come."""
    finished = 0
    for run in runs:
        done, asked = run.steps, run.config.steps
        finished += done >= asked
        if done:
            state = "finished" if done >= asked else "to be continued"
            console.print(f"{run.directory.name}: {done:,} of {asked:,} steps, {state}.")
    console.print(f"{finished} of {len(runs)} runs are finished.")


def train_all(
    runs: list[AblationRun], device: torch.device, console: Console, store: str | None
) -> bool:
    """Train what is not finished, in this order.

    Args:
        runs: what to train.
        device: on which.
        console: where progress is shown.
        store: URL of the database that gets every curve; default none.

    Returns:
        Whether all were finished; False where the user stopped them.

    Raises:
        LucyError: see `train`; what was trained until then is saved.
    """
    for number, run in enumerate(runs, start=1):
        if run.finished:
            continue
        console.print(f"Run {number} of {len(runs)}: {run.directory.name}.")
        result = train(
            run.config,
            run.directory,
            resume=run.begun,
            device=device,
            console=console,
            store=store,
        )
        if result.interrupted:
            return False
    return True


def compare(
    runs: list[AblationRun], games: int, directory: Path, console: Console, store: str
) -> dict[str, Any]:
    """Play the finished runs' newest checkpoints, and tell what all of them came to.

    Writes report.md, curves.html and, where Chrome is found, curves.png.

    Args:
        runs: of the ablation; those that are not finished are left out.
        games: five-minute games against each opponent. Those played before are kept; none
            are played by a checkpoint that has seen more steps than are compared.
        directory: where the files go.
        console: gets the table.
        store: URL of the database that gets the games.

    Returns:
        The table as JSON values.

    Raises:
        AblationError: nothing is finished.
        LucyError: a checkpoint or the store cannot be used.
    """
    finished = [run for run in runs if run.finished]
    if not finished:
        raise AblationError(
            f"{directory}: none of the {len(runs)} runs has its {runs[0].config.steps:,} steps: "
            "leave --report out to train them, or ask for fewer --steps"
        )
    with Store.open(store) as kept:
        outcomes = [_outcome(run, games, console, kept) for run in finished]
    steps, found = finished[0].config.steps, estimates(outcomes)
    title = f"{steps:,} agent-steps; means and 95 % intervals over seeds; {games} games a pairing"
    lines = rows(outcomes, found)
    console.print(table(found, lines, title))
    pictures = _draw(curves_figure(outcomes, f"{steps:,} agent-steps"), directory, console)
    page = directory / "report.md"
    text = f"{title}\n\n{markdown(found, lines)}\n![Learning curves]({pictures[-1].name})\n"
    page.write_text(text, "utf-8")
    console.print(f"Written: {', '.join(str(path) for path in (page, *pictures))}.")
    return {"steps": steps, "games": games, "presets": to_json(outcomes, found)}


def _outcome(run: AblationRun, games: int, console: Console, store: Store) -> Outcome:
    curve = read_curve(run.directory, run.config.steps)
    # A checkpoint that has seen more steps than are compared would flatter its preset
    played = _play(run, games, console, store) if run.steps == curve["steps"][-1] else {}
    return Outcome(run.preset, run.seed, curve, played)


def _draw(figure: Figure, directory: Path, console: Console) -> list[Path]:
    drawn = []
    for name in ("curves.html", "curves.png"):
        try:
            save_picture(figure, directory / name)
        except PictureError as error:
            console.print(str(error), style="yellow")
        else:
            drawn.append(directory / name)
    return drawn


def _play(run: AblationRun, games: int, console: Console, store: Store) -> dict[str, Any]:
    """The results by opponent, as `match_report.to_json` gives them."""
    path = run.directory / "games.json"
    asked = {"steps": run.steps, "games": games}
    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if {key: kept.get(key) for key in asked} == asked:
        return kept["results"]
    results = {}
    bot, mode = make_bot(str(run.directory)), run.config.environment.modes[0]
    for opponent in OPPONENTS:
        given = (bot, make_bot(opponent), mode, games, _MATCH_SEED)
        result = play_with_progress(console, *given)
        results[opponent] = match_report.to_json(result)
        store.add_matches(match_report.to_matches(result, _MATCH_SEED))
    write_json_atomically(path, asked | {"results": results})
    return results
