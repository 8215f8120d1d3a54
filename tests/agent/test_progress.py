"""What a person sees of a running training."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from lucy.agent import progress
from lucy.agent.progress import Interruption, ProgressCallback, in_words

SHARES = {"environment": 0.35, "inference": 0.2, "gae": 0.02, "update": 0.4}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (45, "less than a minute"),
        (46, "about a minute"),
        (89, "about a minute"),
        (91, "about 2 minutes"),
        (230, "about 4 minutes"),
        (5300, "about 88 minutes"),
        (5400, "about 2 hours"),
        (36_000, "about 10 hours"),
    ],
)
def test_times_are_said_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def shown(width: int, *, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a training of two million steps prints up to its first half."""
    now = 0.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None)
    callback = ProgressCallback(console, 2_000_000, Interruption())
    model: Any = SimpleNamespace(
        shares=SHARES, num_timesteps=0, logger=SimpleNamespace(name_to_value={})
    )
    callback.model = model
    callback._on_training_start()
    for steps, when in ((500_000, 70.0), (1_000_000, 120.0)):  # the first one also compiled
        callback._on_rollout_start()
        callback.num_timesteps, now = steps, when
        callback._on_step()
        callback._on_rollout_end()
    callback.close()
    return out.getvalue()


@pytest.mark.parametrize("width", [70, 80, 139, 200])
def test_steps_rate_and_time_left_fit_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = shown(width, terminal=True, monkeypatch=monkeypatch)
    assert "1,000,000/2,000,000" in said
    assert "10,000 steps/s " in said
    assert ":--" in said or "0:0" in said  # time left
    assert ("update 40%" in said) is (width >= 140)


def test_a_file_gets_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    said = shown(80, terminal=False, monkeypatch=monkeypatch)
    first, line = said.splitlines()
    assert first == "500,000 of 2,000,000 steps, 7,143 steps/s, 0.0 touches a minute"
    assert line == (
        "1,000,000 of 2,000,000 steps, 10,000 steps/s, 0.0 touches a minute, about 2 minutes left"
    )
