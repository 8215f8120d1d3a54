"""A weight that changes with the steps of a training, from the command line to the log."""

from pathlib import Path

import pytest

from lucy.agent.metrics import read_metrics

from .test_cli import SETTINGS, lucy

SPEC = """
team_spirit = 0.0
zero_sum = 0.0

[[events]]
component = "velocity_player"
weight = { 0 = 1.0, 256 = 3.0, 512 = 1.0 }
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_a_schedule_goes_on_where_a_training_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], processes: int
) -> None:
    spec, run = tmp_path / "fast.toml", tmp_path / "run"
    spec.write_text(SPEC, "utf-8")
    settings = [*SETTINGS, f"--set=environment.processes={processes}"]
    settings.append(f"--set=environment.reward={spec}")
    arguments = ["train", "--run-dir", str(run), "--device", "cpu"]
    status, _, err = lucy(
        capsys, *arguments, "--preset", "lucy-cpu", "--steps", "128", "--mode", "2v2", *settings
    )
    assert (status, err) == (0, "")
    status, _, err = lucy(capsys, *arguments, "--resume", "--steps", "512")
    assert (status, err) == (0, "")

    lines = read_metrics(run / "metrics.jsonl")
    paid, value = (
        [line[f"{kind}/velocity_player"] or 0.0 for line in lines]
        for kind in ("reward", "reward_value")
    )
    assert [line["time/total_timesteps"] for line in lines] == [128, 256, 384, 512]
    # Shared with nobody, what is paid is weight times value: the weight where a rollout begins
    weights = [p / v for p, v in zip(paid, value, strict=True)]
    assert weights == pytest.approx([1, 2, 3, 2], rel=1e-5)
