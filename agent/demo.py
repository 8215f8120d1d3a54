"""`lucy demo`: train a fresh agent, play before and after, and show it on one page."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.callbacks import BaseCallback

from ..rewards.spec import load_spec
from ..sim.constants import BOOST_PAD_POSITIONS, STEPS_PER_SECOND
from ..sim.shell import shell_line
from ..sim.state import GameStates
from . import checkpoint, match_report
from .config import TrainConfig, load_preset
from .demo_report import Clip, write_report
from .demo_verdict import Row, has_learnt, table, touches, verdict
from .errors import LucyError
from .match import MatchResult
from .metrics import STEP, read_metrics
from .opponents import Bot, make_bot
from .opponents.policy_bot import PolicyBot, checkpoint_bot, untrained_policy
from .progress import in_words
from .run_dir import RunDirectory
from .train import train
from .warm_up import warm_up

PRESET = "lucy-cpu"
SEED = 1
STEPS = 1_990_656  # 81 iterations: enough on every seed that was tried
GAMES = 12
CLIP_STEPS = round(40 * STEPS_PER_SECOND)
_REPORT_SECONDS = 5.0
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


def run_demo(run_dir: Path, steps: int | None, console: Console) -> None:
    """Compile, play untrained, train, play again, give a verdict and write the report.

    A run that is there already goes on where it ended. Ctrl-C ends it at any moment with its
    checkpoints kept, and it says how to go on.

    Args:
        run_dir: where checkpoints and report go.
        steps: agent-steps to train; by default up to the next multiple of `STEPS`, or none
            where a finished training has no report yet.
        console: where progress and table go.

    Raises:
        LucyError: the directory cannot be used, holds something else, or is full.
    """
    plan = _plan(run_dir, steps)
    try:
        result = _play_and_train(plan, run_dir, console)
        _show(plan.config, run_dir, result, console)
    except KeyboardInterrupt:
        done = _plan(run_dir, None).done
        rest = plan.config.steps - done
        left = [] if steps is None or rest <= 0 else ["--steps", str(rest)]
        console.print(f"Stopped; {done:,} steps of training are kept.")
        console.print(f"Go on with: {_command('demo', '--run-dir', str(run_dir), *left)}")


class _Plan(NamedTuple):
    """What is to be trained; the config's steps are those at the end."""

    config: TrainConfig
    done: int
    resume: bool


class _Played(NamedTuple):
    """A demo's games, and what its report shows beside them."""

    steps: int
    before: MatchResult
    after: MatchResult
    clip: Clip


def _plan(run_dir: Path, steps: int | None) -> _Plan:
    """What is left to train in a directory, seen to be a demo's.

    Raises:
        LucyError: it is not, or it cannot be used.
    """
    newest = checkpoint.newest(run_dir / "checkpoints")
    if newest is None:
        if broken := checkpoint.step_folders(run_dir / "checkpoints"):
            raise LucyError(
                f"{run_dir}: expected a whole checkpoint to go on from, but all {len(broken)} in "
                "it are broken: delete that folder, or choose another --run-dir"
            )
        done, end = 0, steps or STEPS
    else:
        saved = checkpoint.load(newest)
        _check_settings(run_dir, saved.config)
        done = int(saved.counters["steps"])
        end = _end(run_dir, newest, done, saved.config["steps"], steps)
    resume = newest is not None or (run_dir / "config.json").exists()
    with RunDirectory(run_dir, resume=resume):  # before anybody waits for a training in vain
        return _Plan(_settings(end), done, resume)


def _end(run_dir: Path, newest: Path, done: int, meant: int, steps: int | None) -> int:
    if steps is not None:
        return done + steps
    report = run_dir / "report.html"
    shown = report.exists() and report.stat().st_mtime >= newest.stat().st_mtime
    return done if done >= meant and not shown else (done // STEPS + 1) * STEPS


def _settings(steps: int) -> TrainConfig:
    return load_preset(PRESET, {"steps": steps, "seed": SEED})


def _check_settings(run_dir: Path, saved: dict[str, Any]) -> None:
    if saved != _settings(saved["steps"]).model_dump(mode="json"):
        raise LucyError(
            f"{run_dir}: expected a training that lucy demo began, but it has other settings: "
            f"choose another --run-dir, or go on with "
            f"{_command('train', '--resume', '--run-dir', str(run_dir))}"
        )


def _play_and_train(plan: _Plan, run_dir: Path, console: Console) -> _Played:
    began = time.perf_counter()
    config = plan.config
    untrained = _untrained(config)
    warm_up(config, untrained, make_bot("random"), console)
    playing = time.perf_counter()
    before = _play(console, untrained, None)
    finish = time.perf_counter() - playing + _REPORT_SECONDS  # the other games take as long

    def tell(left: float) -> None:
        whole = time.perf_counter() - began + left + finish
        console.print(
            f"The whole demo takes {in_words(whole)} on this machine, with "
            f"{in_words(left + finish)} to go.",
        )

    steps = plan.done
    if plan.done < config.steps:
        steps = _train(plan, run_dir, console, tell)
    recorder = _Recorder(GAMES)
    after = _play(console, _named(checkpoint_bot(run_dir), "trained"), recorder)
    return _Played(steps, before, after, recorder.best_clip(("trained", "random")))


def _train(plan: _Plan, run_dir: Path, console: Console, tell: Callable[[float], None]) -> int:
    """Steps at the end."""
    config = plan.config
    console.print(
        f"Training {PRESET} ({config.environment.mode}) for {config.steps - plan.done:,} steps.",
    )
    result = train(
        config,
        run_dir,
        resume=plan.resume,
        console=console,
        store=str(run_dir.parent / "lucy.db"),
        callbacks=[_Estimate(config.steps, tell)],
    )
    if result.interrupted:
        raise KeyboardInterrupt
    return result.steps


class _Estimate(BaseCallback):
    """Tells once how many seconds a training has left, from its second and third iteration."""

    def __init__(self, steps: int, tell: Callable[[float], None]) -> None:
        super().__init__()
        self._steps, self._tell = steps, tell
        self._starts: list[tuple[int, float]] = []

    def _on_rollout_start(self) -> None:
        self._starts.append((self.num_timesteps, time.perf_counter()))
        if len(self._starts) == 4:  # the first iteration also starts processes
            (from_steps, begun), (steps, now) = self._starts[1], self._starts[3]
            self._tell((self._steps - steps) * (now - begun) / (steps - from_steps))

    def _on_step(self) -> bool:
        return True


def _show(config: TrainConfig, run_dir: Path, played: _Played, console: Console) -> None:
    rows = table(played.before, played.after, played.steps)
    before, after = touches(played.before), touches(played.after)
    console.print(_console_table(rows))
    console.print(verdict(before, after))
    report = run_dir / "report.html"
    metrics = read_metrics(run_dir / "metrics.jsonl")
    components = [term.name for term in load_spec(config.environment.reward).terms]
    try:
        write_report(
            report,
            title="Lucy: a first training",
            summary=f"{verdict(before, after)} {_about(config, played.steps)}",
            table=rows,
            curves=_curves(metrics, CURVES),
            reward_shares=_curves(metrics, components, "reward_share/"),
            clip=played.clip,
            pad_positions=BOOST_PAD_POSITIONS,
        )
    except OSError as error:
        raise LucyError(
            f"{report}: the report cannot be written ({error.strerror or error}); the training is "
            f"kept. Mend that, and go on with {_command('demo', '--run-dir', str(run_dir))}"
        ) from error
    console.print(f"The report, for any browser: {report}")
    console.print(report.resolve().as_uri())
    where = ("--run-dir", str(run_dir))
    if has_learnt(before, after):
        more = _command("train", "--resume", *where, "--steps", str(5 * played.steps))
    else:
        more = _command("demo", *where)
    console.print(f"Go on with: {more}")


def _command(*arguments: str) -> str:
    return shell_line("lucy", *arguments)


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


def _console_table(rows: list[Row]) -> Table:
    shown = Table(*rows[0])
    for row in rows:
        shown.add_row(*map(str, row.values()))
    return shown


def _about(config: TrainConfig, steps: int) -> str:
    return (
        "The agent played 1v1 against itself on RocketSim, paid by Lucy's reward, and learnt by "
        f"PPO from {steps:,} of its own decisions. The table has its games against a bot that "
        f"presses random keys. Curves have a point for every {config.rollout_size:,} steps."
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
