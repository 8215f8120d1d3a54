"""`lucy rewards list` and `show`."""

import sys
from pathlib import Path

import pytest

from lucy.agent.cli import main


def lucy(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lucy", *arguments])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
    out, err = capsys.readouterr()
    return status, " ".join(out.split()), err


def test_every_component_is_listed_with_its_parameters(capsys) -> None:
    status, out, _ = lucy(capsys, "rewards", "list")
    assert status == 0
    assert "lucy-linear, lucy-skg, necto, nexto" in out
    for word in ("distance_player_to_ball", "own_goal", "counter_pressure", "save_boost"):
        assert word in out


def test_a_reward_is_shown_with_its_schedule(tmp_path: Path, capsys) -> None:
    path = tmp_path / "my.toml"
    path.write_text(
        '[[events]]\nname = "both"\nkrc = ["save_boost", {component = "face_ball", weight = 2}]\n'
        "weight = { 0 = 1.0, 5_000 = 0.5 }",
        "utf-8",
    )
    status, out, _ = lucy(capsys, "rewards", "show", str(path))
    assert status == 0
    assert "both" in out
    assert "0.5 at 5,000" in out
    assert "gamma 1, team_spirit 0.3, zero_sum 1" in out


def test_an_unknown_reward_is_one_line(capsys) -> None:
    status, _, err = lucy(capsys, "rewards", "show", "lucy-sgk")
    assert status == 1
    assert err.startswith("lucy: unknown reward 'lucy-sgk' (did you mean 'lucy-skg'?)")
    assert len(err.splitlines()) == 1
