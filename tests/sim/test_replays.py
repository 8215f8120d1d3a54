"""Real .replay files as recordings, and files that are none."""

import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lucy.sim import replay_periods, replay_tables, replays
from lucy.sim.constants import BACK_NET_Y, BALL_MAX_SPEED, CAR_MAX_SPEED, CEILING_Z, SIDE_WALL_X
from lucy.sim.recording import Recording, load_recording
from lucy.sim.replay_import import import_replays, load_replay, recording_names
from lucy.sim.replays import ReplayError, read_replay

from .fuzz import CUT_FRAMES, cut, fuzz_replays

SHARED = Path(os.environ.get("LUCY_SHARED", Path(__file__).parents[3] / "shared"))
LONG = SHARED / "replays" / "0a47f3f9-949c-46b9-946b-21ed5a411645.replay"
SHORT = SHARED / "replays" / "8c121fc5-d194-4ce7-8b1a-215234372732.replay"
FUZZ_ROUNDS = int(os.environ.get("LUCY_FUZZ_REPLAYS", "24"))

pytestmark = pytest.mark.skipif(
    not SHORT.exists(), reason=f"no replays at {SHORT.parent}; set LUCY_SHARED to their folder"
)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Recording]:
    folder = tmp_path_factory.mktemp("recordings")
    results = list(import_replays([LONG, SHORT], folder))
    assert all(result.recording is not None for result in results), results
    return {
        result.replay: load_recording(folder / f"{result.replay.stem}.npz") for result in results
    }


@pytest.mark.parametrize(
    ("file", "score", "players", "goals", "saves", "shots", "steps"),
    [
        (
            LONG,
            (3, 2),
            ["Spud", "Low-T Ape", "Viglaef", "Heavy"],
            [2, 1, 2, 0],
            [1, 0, 1, 1],
            [5, 1, 2, 2],
            range(4600, 4900),
        ),
        (
            SHORT,
            (0, 3),
            ["alec", "barnabas_", "No", "Killer instinct"],
            [0, 0, 2, 1],
            [1, 0, 0, 0],
            [0, 0, 3, 2],
            range(1250, 1400),
        ),
    ],
    ids=["long", "short"],
)
def test_a_replay_tells_what_its_header_does(
    file: Path,
    score: tuple[int, int],
    players: list[str],
    goals: list[int],
    saves: list[int],
    shots: list[int],
    steps: range,
    imported: dict[Path, Recording],
) -> None:
    states, metadata = imported[file]
    (game,) = metadata.games
    assert (metadata.source, metadata.mode, metadata.tick_skip) == ("replay", "2v2", 8)
    assert metadata.details["goals"] == list(score)
    assert (game.score, game.players) == (score, players)
    assert game.blue == " & ".join(players[:2])
    assert states.car_team.tolist() == [0, 0, 1, 1]
    assert len(states.score) in steps
    assert states.score[-1].tolist() == list(score)
    for counter, total in (
        (states.car_goals, goals),
        (states.car_saves, saves),
        (states.car_shots, shots),
    ):
        assert counter[-1].tolist() == total
        assert (np.diff(counter, axis=0) >= 0).all()


@pytest.mark.parametrize("file", [LONG, SHORT], ids=["long", "short"])
def test_a_replay_is_play_that_the_game_allows(file: Path, imported: dict[Path, Recording]) -> None:
    states = imported[file].states
    for position in (states.ball_position, states.car_position):
        reach = np.abs(position).reshape(-1, 3).max(axis=0)
        assert (reach <= (SIDE_WALL_X, BACK_NET_Y, CEILING_Z)).all()
        assert position[..., 2].min() > 0
    assert np.linalg.norm(states.ball_linear_velocity, axis=-1).max() <= BALL_MAX_SPEED
    assert np.linalg.norm(states.car_linear_velocity, axis=-1).max() <= CAR_MAX_SPEED + 1
    axes = np.stack([states.car_forward, states.car_right, states.car_up], axis=-2)
    np.testing.assert_allclose(
        axes @ np.swapaxes(axes, -1, -2),
        np.eye(3) * np.ones((4, 1, 1)) * np.ones((len(axes), 1, 1, 1)),
        atol=1e-5,
    )
    np.testing.assert_allclose(np.linalg.det(axes), 1, atol=1e-5)  # left-handed, as RLGym's
    assert ((states.car_boost >= 0) & (states.car_boost <= 1)).all()
    assert (np.abs(states.previous_action) <= 1).all()
    assert states.car_mask.all()


@pytest.mark.parametrize("file", [LONG, SHORT], ids=["long", "short"])
def test_steps_follow_from_one_another(file: Path, imported: dict[Path, Recording]) -> None:
    states = imported[file].states
    inside = ~states.episode_start[1:]
    for position, velocity, demoed in (
        (states.ball_position, states.ball_linear_velocity, np.zeros(len(inside) + 1, np.bool_)),
        (states.car_position, states.car_linear_velocity, states.car_is_demoed),
    ):
        moved = np.diff(position, axis=0) * 15
        meant = (velocity[1:] + velocity[:-1]) / 2
        alive = ~(demoed[1:] | demoed[:-1])
        wrong = np.linalg.norm(moved - meant, axis=-1)[
            alive & (inside if alive.ndim == 1 else inside[:, None])
        ]
        # The server's clock and a replay's frames are up to a tick apart: an eighth of a step
        assert np.median(wrong) < 250
        assert np.quantile(wrong, 0.99) < 1300


@pytest.mark.parametrize(("file", "goals"), [(LONG, 5), (SHORT, 3)], ids=["long", "short"])
def test_goals_end_episodes_that_kickoffs_begin(
    file: Path, goals: int, imported: dict[Path, Recording]
) -> None:
    states = imported[file].states
    scored = np.flatnonzero(np.diff(states.score.sum(axis=1)) > 0) + 1
    assert len(scored) == goals
    assert (np.abs(states.ball_position[scored, 1]) > 5120).all()  # over the line
    sides = (states.ball_position[scored, 1] < 0).astype(int)
    after, before = states.score[scored], states.score[scored - 1]
    assert ((after - before)[np.arange(goals), sides] == 1).all()
    scorers = (states.car_goals[scored] - states.car_goals[scored - 1]).sum(axis=1)
    assert scorers.tolist() == [1] * goals  # paid on the step of the goal
    starts = np.flatnonzero(states.episode_start)
    assert starts[1:].tolist() == (scored + 1)[: len(starts) - 1].tolist()
    assert (np.abs(states.ball_position[starts, :2]) < 1).all()
    assert states.boost_pad_active[starts].all()
    assert (~states.boost_pad_active).any(axis=0).sum() > 20
    assert states.car_ball_touched.any(axis=0).all()


@pytest.mark.parametrize(
    ("replays", "recordings"),
    [
        (["a/x.replay", "b/y.replay"], ["x.npz", "y.npz"]),
        (["a/x.replay", "b/X.REPLAY", "x.replay"], ["a/x.npz", "b/X.npz", "x.npz"]),
        (
            ["g/2024/may/a.replay", "g/2025/may/a.replay", "g/2025/b.replay"],
            ["2024/may/a.npz", "2025/may/a.npz", "b.npz"],
        ),
        (["x/../a.replay", "x/a.replay"], ["a.npz", "x/a.npz"]),
        (["a.replay", "A.replay"], ["a.npz", "A-2.npz"]),
        (["a.replay", "a.REPLAY", "a-2.replay"], ["a.npz", "a-3.npz", "a-2.npz"]),
    ],
)
def test_no_two_recordings_have_one_name(replays: list[str], recordings: list[str]) -> None:
    names = recording_names([Path(replay) for replay in replays])
    assert [name.as_posix() for name in names] == recordings


def test_bad_files_are_named_and_the_others_imported(tmp_path: Path) -> None:
    short = cut(SHORT.read_bytes(), CUT_FRAMES)
    files = {
        "good": short,
        "again/good": b"the same name",
        "truncated": short[: len(short) // 2],
        "empty": b"",
        "foreign": b"GIF89a" + bytes(3000),
        "huge": short[:100] + bytes(33 * 2**20),
    }
    paths = []
    for name, content in files.items():
        paths.append(tmp_path / "in" / f"{name}.replay")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        paths[-1].write_bytes(content)
    paths.append(tmp_path / "missing.replay")
    out = tmp_path / "out"
    results = {str(r.replay.relative_to(tmp_path)): r for r in import_replays(paths, out)}
    reasons = {
        "in/again/good.replay": "is no Rocket League replay",
        "in/truncated.replay": "the parser cannot read it",
        "in/empty.replay": "is no Rocket League replay",
        "in/foreign.replay": "is no Rocket League replay",
        "in/huge.replay": "a replay is expected to have 33,554,432 at most",
        "missing.replay": "cannot be read (No such file",
    }
    for name, reason in reasons.items():
        assert results[name].recording is None
        assert reason in results[name].summary
    good = results["in/good.replay"]
    assert good.summary.startswith("alec & barnabas_ 0:1 No & Killer instinct, 200 steps")
    assert [file.relative_to(out).as_posix() for file in out.rglob("*.npz")] == ["good.npz"]
    assert good.recording is not None
    assert load_recording(good.recording).metadata.games[0].score == (0, 1)


@pytest.mark.parametrize(
    ("module", "limit", "value", "message"),
    [
        (replay_periods, "_MAX_GAP_SECONDS", 0.001, "frames do not follow one another in time"),
        (replays, "MAX_FRAMES", 100, "has 590 frames, expected 100 at most"),
        (replay_tables, "MAX_CARS", 3, "somebody drives in it for whom there is no slot"),
    ],
)
def test_play_beyond_the_limits_is_refused(
    module: ModuleType,
    limit: str,
    value: float,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "cut.replay"
    path.write_bytes(cut(SHORT.read_bytes(), CUT_FRAMES))
    monkeypatch.setattr(module, limit, value)
    with pytest.raises(ReplayError, match=message):
        read_replay(path)


def test_one_replay_loads_as_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "cut.replay"
    path.write_bytes(cut(SHORT.read_bytes(), CUT_FRAMES))
    assert load_replay(path).metadata.games[0].score == (0, 1)
    path.write_bytes(b"no replay")
    with pytest.raises(ReplayError, match=r"cut.replay: is no Rocket League replay"):
        load_replay(path)


def test_mutated_replays_import_or_are_refused(tmp_path: Path) -> None:
    outcome = fuzz_replays(SHORT, tmp_path, FUZZ_ROUNDS, seed=100)
    assert outcome.loaded + outcome.refused == FUZZ_ROUNDS
    assert 0 < outcome.loaded < FUZZ_ROUNDS
    assert outcome.having("crashed") == outcome.having("processor time") == 0
