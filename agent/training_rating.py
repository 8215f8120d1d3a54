"""Ratings of a training's newest checkpoints, made beside it by a process of low priority."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from stable_baselines3.common.logger import Logger

from ..sim.shell import shell_line
from .config import RatingConfig, TrainConfig
from .match import GAME_SECONDS
from .opponents import make_bot
from .rating_process import PlayedPairing, RatingJob, as_json
from .run_dir import RunDirectory
from .standings import Z
from .store_writer import StoreWriter

_SECONDS_TO_END = 5.0
# One thread, and no GPU: what a GPU computes for others it does not compute for the training
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def check_anchors(settings: RatingConfig) -> None:
    """See, before anything is trained, whether there are the bots to rate against.

    Raises:
        BotError: there is no such bot.
        LucyError: its weights or its checkpoint cannot be used.
    """
    if settings.every:
        for anchor in settings.anchors:
            make_bot(anchor)


class TrainingRating:
    """Lets a process rate the newest checkpoint every so many iterations.

    The games go to `rating/games.jsonl` in the run directory, which later ratings rest on too,
    and with the ratings to the store. A process that fails costs a warning and its rating.
    """

    def __init__(
        self,
        config: TrainConfig,
        run: RunDirectory,
        steps: int,
        console: Console,
        *,
        store: StoreWriter | None,
    ) -> None:
        """Take up the games that were played, those of checkpoints beyond `steps` taken back.

        Args:
            config: of the training; its section `rating` says when and whom to play.
            run: what is trained.
            steps: agent-steps after which it goes on.
            console: that results and warnings go to.
            store: the training's, which games and ratings go to as well.
        """
        self._config, self._run, self._console = config, run, console
        self._store = store
        self._directory = run.path / "rating"
        self._process: subprocess.Popen[bytes] | None = None
        self._steps = 0  # of the checkpoint that is rated
        self._rated: set[str] = set()  # the checkpoint that is being rated
        self._played: list[PlayedPairing] = []
        if config.rating.every:
            self._directory.mkdir(exist_ok=True)
            self._played = [p for p in _read_games(self._games_file) if p.steps <= steps]
            self._write_games()

    @property
    def needed(self) -> set[str]:
        """The checkpoints that have to stay: one that is rated, those that it will play."""
        return {*self._rated, *self._past()}

    def start(self, saved: Path, steps: int) -> None:
        """Rate a checkpoint that was just saved, if its turn has come and no other is rated."""
        every = self._config.rating.every
        if not every or steps // self._config.rollout_size % every or self._process is not None:
            return
        self._steps, self._rated = steps, {saved.name}
        with (self._directory / "process.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.rating_process"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | _ENVIRONMENT,
                creationflags=getattr(subprocess, "IDLE_PRIORITY_CLASS", 0),
            )
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it is dead already, which `record` finds
            self._process.stdin.write(as_json(self._job(saved)).encode())
            self._process.stdin.flush()

    def record(self, logger: Logger) -> None:
        """Log the rating that is ready: `rating/<mode>`, with sigma and the steps it is of."""
        if self._process is None or self._process.poll() is None:
            return
        code = self._process.returncode
        self._let_go()
        try:
            result = self._result() if code == 0 else None
        except (OSError, ValueError):
            result = None
        if result is None:
            self._say(
                f"The rating of the checkpoint at {self._steps:,} steps failed (exit code {code}; "
                f"{self._directory / 'process.log'} says why). Training goes on."
            )
            return
        self._played += [PlayedPairing(*pairing) for pairing in result["pairings"]]
        self._write_games()
        for mode, (mu, sigma) in result["ratings"].items():
            logger.record(f"rating/{mode}", mu)
            logger.record(f"rating_sigma/{mode}", sigma)
            logger.record(f"rating_steps/{mode}", self._steps)
            self._console.print(
                f"Rating at {self._steps:,} steps, {mode}: {mu:.1f} ± {Z * sigma:.1f}"
            )
        if result["error"]:
            self._say(f"The rating is in the log, but not in the store. {result['error']}")

    def close(self) -> None:
        """End what is running."""
        if self._process is None:
            return
        mode = self._config.environment.modes[0]
        rated = shell_line("lucy", "tournament", self._run.path, "chaser", "--mode", mode)
        self._say(
            f"The rating of the checkpoint at {self._steps:,} steps was not done before the "
            f"training ended; this rates the newest: {rated}"
        )
        self._process.terminate()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._let_go()

    @property
    def _games_file(self) -> Path:
        return self._directory / "games.jsonl"

    @property
    def _result_file(self) -> Path:
        return self._directory / "result.json"

    def _past(self) -> list[str]:
        """The newest rated checkpoints that are still there."""
        rated = sorted({played.bot for played in self._played}, reverse=True)
        there = [name for name in rated if (self._run.checkpoints / name).is_dir()]
        return there[: self._config.rating.past]

    def _job(self, saved: Path) -> RatingJob:
        settings = self._config.rating
        sequence = np.random.SeedSequence([self._config.seed, self._steps])
        return RatingJob(
            folder=str(saved.parent),
            checkpoint=saved.name,
            steps=self._steps,
            past=self._past(),
            anchors=settings.anchors,
            modes=sorted(set(self._config.environment.modes)),
            games=settings.games,
            seconds=GAME_SECONDS,
            seed=int(sequence.generate_state(1)[0]),
            history=self._played,
            store=self._store and self._store.url,
            run=self._store and self._store.run_number,
            result=str(self._result_file),
        )

    def _result(self) -> dict[str, Any]:
        result = json.loads(self._result_file.read_text("utf-8"))
        self._result_file.unlink()
        return result

    def _write_games(self) -> None:
        temporary = self._games_file.with_suffix(".tmp")
        temporary.write_text("".join(json.dumps(p._asdict()) + "\n" for p in self._played), "utf-8")
        temporary.replace(self._games_file)

    def _let_go(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process, self._rated = None, set()

    def _say(self, text: str) -> None:
        self._console.print(text, style="yellow")


def _read_games(path: Path) -> list[PlayedPairing]:
    if not path.exists():
        return []
    return [PlayedPairing(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
