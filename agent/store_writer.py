"""A training's way into the store: every iteration as it is logged, and how the run ended."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from stable_baselines3.common.logger import KVWriter

from ..sim.shell import shell_line
from .metrics import STEP, read_metrics
from .progress import Interruption
from .run_dir import RunDirectory
from .store import (
    ComponentStatistics,
    Iteration,
    RunStatus,
    RunWriter,
    Store,
    StoreError,
    shown_url,
)

_PATIENCE = 3.0  # s that a training waits for a lock
_SECONDS_BETWEEN_ATTEMPTS = 60.0  # after a failure, so that waiting stays a small share
_STATISTICS = {  # prefix of a metric -> what it is of the component that follows
    "reward": "mean",
    "reward_spread": "spread",
    "reward_share": "share",
    "reward_positive": "positive",
    "reward_negative": "negative",
    "reward_value": "value",
}
_TOTAL = "total"  # of all components, which is none itself


class StoreWriter(KVWriter):
    """Writes every iteration to a store; one that fails costs a warning, never the training.

    `metrics.jsonl` is what the store is filled from again once it works: the iterations that it
    missed, of this training or an earlier one, come in then, without their time of day.
    """

    def __init__(
        self,
        url: str,
        run: RunDirectory,
        steps: int,
        console: Console,
        *,
        config: Mapping[str, Any],
        device: str,
        versions: Mapping[str, str],
    ) -> None:
        """Open the store and bring it to where the run stands.

        Args:
            url: of the store.
            run: what is trained.
            steps: agent-steps after which it goes on; what the store holds beyond is taken back.
            console: where the warning goes.
            config: as in `Store.start_run`, like the next two.
            device: that it trains on.
            versions: of Lucy and her parts.
        """
        self.url, self._run, self._console = url, run, console
        self._about: dict[str, Any] = {"config": config, "device": device, "versions": versions}
        self._steps = steps  # up to which store and metrics.jsonl agree
        self._resume = run.resume
        self._store: Store | None = None
        self._writer: RunWriter | None = None
        self._warned = False
        self._next_attempt = 0.0
        self._attempt([])

    @property
    def run_number(self) -> int | None:
        """Of the run in the store; None while the store fails."""
        return self._writer.id if self._writer else None

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: dict[str, tuple[str, ...]],
        step: int = 0,
    ) -> None:
        """Add one iteration."""
        if time.monotonic() >= self._next_attempt:
            self._attempt([iteration(step, key_values, time.time())])

    def close(self) -> None:
        """Nothing yet: the logger does not know how the run ended; see `end`."""

    def end(self, status: RunStatus) -> None:
        """Say how the run ended, and let go of the store."""
        self._attempt([], status)
        if self._writer is None:
            again = ("lucy", "train", "--resume", "--run-dir", self._run.path, "--store")
            self._say(
                "The store lacks the newest iterations of this run: metrics.jsonl has them, and "
                f"resuming fills them in: {shell_line(*again, shown_url(self.url))}"
            )
        self._close()

    def _attempt(self, iterations: list[Iteration], status: RunStatus | None = None) -> None:
        try:
            writer = self._writer or self._open()
            writer.add_iterations(iterations)
            if status is not None:
                writer.end(status)
        except StoreError as error:
            self._close()
            self._next_attempt = time.monotonic() + _SECONDS_BETWEEN_ATTEMPTS
            if not self._warned:
                self._say(f"Training goes on without its store. {error}")
            self._warned = True
            return
        self._writer = writer
        self._steps = max([self._steps, *(added.steps for added in iterations)])

    def _open(self) -> RunWriter:
        self._store = Store.open(self.url, patience=_PATIENCE)
        writer = self._store.start_run(
            self._run.path,
            **self._about,
            resume_after=self._steps if self._resume else None,
        )
        self._resume = True  # the run is there now, whatever comes
        logged = read_metrics(self._run.path / "metrics.jsonl")
        writer.add_iterations(iteration(int(line[STEP] or 0), line, None) for line in logged)
        return writer

    def _say(self, text: str) -> None:
        self._console.print(text, style="yellow")

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store = self._writer = None


def iteration(steps: int, logged: Mapping[str, Any], moment: float | None) -> Iteration:
    """What a training logged, with the statistics of its reward components set apart.

    Args:
        steps: agent-steps.
        logged: metrics by name; a component's are `reward/<component>`,
            `reward_spread/<component>` and so on. None stands for a number that is not finite.
        moment: Unix seconds.
    """
    metrics: dict[str, float] = {}
    components: dict[str, dict[str, float]] = {}
    for key, value in logged.items():
        number = float("nan") if value is None else float(value)
        prefix, _, component = key.partition("/")
        if prefix in _STATISTICS and component != _TOTAL:
            components.setdefault(component, {})[_STATISTICS[prefix]] = number
        elif key != STEP:
            metrics[key] = number
    unknown = dict.fromkeys(ComponentStatistics._fields, float("nan"))
    statistics = {
        name: ComponentStatistics(**unknown | known) for name, known in components.items()
    }
    return Iteration(steps, metrics, statistics, moment)


@contextmanager
def stored(writer: StoreWriter | None, interruption: Interruption) -> Iterator[None]:
    """A training whose end the store shall know of, where there is one."""
    status = RunStatus.FAILED
    try:
        yield
        status = RunStatus.INTERRUPTED if interruption.by_user else RunStatus.FINISHED
    except KeyboardInterrupt:
        status = RunStatus.INTERRUPTED
        raise
    finally:
        if writer is not None:
            writer.end(status)
