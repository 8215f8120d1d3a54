"""`lucy demo`: train for a few minutes, play before and after, and show it on one page."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from ..rewards.spec import load_spec
from ..sim.constants import BOOST_PAD_POSITIONS, STEPS_PER_SECOND
from ..sim.shell import shell_line
from ..sim.state import GameStates
from . import match_report
from .config import TrainConfig, load_preset
from .demo_report import Clip, write_report
from .errors import LucyError
from .match import MatchResult
from .metrics import STEP, read_metrics
from .opponents import Bot, make_bot
from .opponents.policy_bot import PolicyBot, checkpoint_bot, untrained_policy
from .train import train

PRESET = "lucy-cpu"
GAMES = 12
CLIP_STEPS = round(40 * STEPS_PER_SECOND)
CURVES = (
    "game/touches_per_minute",
    "game/ball_speed",
    "game/touched_ball_to_goal",
    "game/goals_per_minute",
    "game/speed",
    "game/in_air_ratio",
    "rollout/ep_len_mean",
    "train/entropy_loss",
    "train/approx_kl",
    "train/clip_fraction",
    "train/explained_variance",
    "time/overall_steps_per_second",
)


def run_demo(run_dir: Path, seconds: float, console: Console) -> None:
    """Train, play against `random` before and after, print the table, write the report.

    A run that is there already goes on where it ended.

    Args:
        run_dir: where checkpoints and report go.
        seconds: of training.
        console: where progress and table go.

    Raises:
        LucyError: the time was too short for a single iteration.
    """
    config = load_preset(PRESET, {"steps": 10**12, "seed": 1})
    resume = (run_dir / "config.json").exists()
    console.print(f"Training {PRESET} ({config.environment.mode}) for {seconds / 60:g} minutes.")
    result = train(config, run_dir, resume=resume, console=console, seconds=seconds)
    if result.interrupted:
        again = shell_line("lucy", "demo", "--run-dir", run_dir)
        console.print(f"Stopped at {result.steps:,} steps; go on with: {again}")
        return
    if result.checkpoint is None:
        raise LucyError(f"{seconds:g} s were too short for one iteration: give --minutes more")
    before = _play(console, _untrained(config), None)
    recorder = _Recorder(GAMES)
    after = _play(console, _named(checkpoint_bot(run_dir), "trained"), recorder)
    rows = [_row("before training", before), _row("after training", after)]
    console.print(_console_table(rows))
    report = run_dir / "report.html"
    metrics = read_metrics(run_dir / "metrics.jsonl")
    components = [term.name for term in load_spec(config.environment.reward).terms]
    write_report(
        report,
        title="Lucy: a first training",
        summary=_summary(config, result.steps, before, after),
        table=rows,
        curves=_curves(metrics, CURVES),
        reward_shares=_curves(metrics, components, "reward_share/"),
        clip=recorder.best_clip(("trained", "random")),
        pad_positions=BOOST_PAD_POSITIONS,
    )
    console.print(f"Report: {report.resolve().as_uri()}")
    again = shell_line("lucy", "train", "--preset", PRESET, "--resume", "--run-dir", run_dir)
    console.print(f"Go on with: {again}")


def _untrained(config: TrainConfig) -> Bot:
    torch.manual_seed(config.seed)
    table = config.environment.action_table
    return PolicyBot("untrained", untrained_policy(config.network, table), table)


def _named(bot: PolicyBot, name: str) -> PolicyBot:
    bot.name = name
    return bot


def _play(console: Console, bot: Bot, recorder: "_Recorder | None") -> MatchResult:
    watch: dict[str, Any] = {} if recorder is None else {"on_step": recorder.add}
    return match_report.play_with_progress(
        console, bot, make_bot("random"), "1v1", GAMES, seed=0, **watch
    )


def _row(name: str, result: MatchResult) -> dict[str, str | float]:
    scored, conceded = result.goals
    won, drawn, lost = result.results
    return {
        f"1v1 against random, {GAMES} games": name,
        "goals": f"{scored} : {conceded}",
        "share of goals": f"{scored / max(scored + conceded, 1):.0%}",
        "won, drawn, lost": f"{won}, {drawn}, {lost}",
        "touches a minute": round(result.per_minute("touches")[0], 2),
        "shots a minute": round(result.per_minute("shots")[0], 2),
    }


def _console_table(rows: list[dict[str, str | float]]) -> Table:
    title, *figures = rows[0]
    table = Table(title, *(str(row[title]) for row in rows))
    for figure in figures:
        table.add_row(figure, *(str(row[figure]) for row in rows))
    return table


def _summary(config: TrainConfig, steps: int, before: MatchResult, after: MatchResult) -> str:
    first, now = before.per_minute("touches")[0], after.per_minute("touches")[0]
    return (
        f"{steps:,} agent-steps of 1v1 self-play on RocketSim with Lucy's reward, learnt by PPO. "
        f"Against a bot that presses random keys the agent touches the ball {now:.1f} times a "
        f"minute; untrained it was {first:.2f}. Curves are per training iteration of "
        f"{config.rollout_size:,} steps."
    )


def _curves(
    metrics: list[dict[str, float | None]], names: Iterable[str], prefix: str = ""
) -> dict[str, tuple[list[float], list[float]]]:
    """Steps and values of the metrics prefix + name, by name; those never logged are left out."""
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for name in names:
        points = [(line[STEP], line[prefix + name]) for line in metrics if prefix + name in line]
        if points:
            steps, values = zip(*points, strict=True)
            numbers = [float("nan") if value is None else value for value in values]
            curves[name] = ([float(step or 0) for step in steps], numbers)
    return curves


class _Recorder:
    """Keeps what a clip needs of every game; only games in which the trained bot is blue."""

    def __init__(self, games: int) -> None:
        self._games = slice(0, games, 2)
        self._frames: list[dict[str, np.ndarray]] = []

    def add(self, states: GameStates, step: int) -> None:
        self._team = states.car_team.copy()
        names = set(Clip._fields) & set(GameStates._fields) - {"car_team"}
        frame = {name: getattr(states, name)[self._games].copy() for name in names}
        frame["cut"] = states.episode_start[self._games].copy()
        frame["touched"] = states.car_ball_touched[self._games, 0].copy()
        self._frames.append(frame)

    def best_clip(self, names: tuple[str, str]) -> Clip:
        """The stretch of play in which blue touched the ball and scored most."""
        fields = {name: np.stack([f[name] for f in self._frames]) for name in self._frames[0]}
        scored = np.diff(fields["score"][..., 0], axis=0, prepend=fields["score"][:1, :, 0])
        liveliness = (fields.pop("touched") + 20 * scored).astype(float)
        total = liveliness.cumsum(axis=0)
        length = min(CLIP_STEPS, len(total) - 1)
        start, game = np.unravel_index(
            (total[length:] - total[:-length]).argmax(), total[length:].shape
        )
        window = {name: array[start : start + length, game] for name, array in fields.items()}
        # The arena counts goals since it was made, which is since the match began
        return Clip(**window, car_team=self._team, names=names)
