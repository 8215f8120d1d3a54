"""Recorded states as starting states: legal, repeatable, for every size of team."""

from pathlib import Path

import numpy as np
import pytest

from lucy.sim.engine import ArenaPool
from lucy.sim.recording import (
    RecordedGame,
    Recorder,
    Recording,
    RecordingError,
    RecordingMetadata,
    save_recording,
)
from lucy.sim.replay_states import ReplayStates, ReplayStatesError
from lucy.sim.resets import random_state
from lucy.sim.state import GameStates
from lucy.sim.training_packs import TrainingPacks

STEPS = 30


def record(mode: str, seed: int) -> Recording:
    pool = ArenaPool([mode], threads=1)
    rng = np.random.default_rng(seed)
    cars = pool.states.car_mask.shape[1]
    pool.set_state(0, random_state(rng, cars // 2))
    recorder = Recorder()
    for step in range(STEPS):
        if step:
            pool.step(rng.uniform(-1, 1, (1, cars, 8)).astype(np.float32))
        recorder.append(pool.states)
    pool.close()
    game = RecordedGame(
        start=0, stop=STEPS, blue="a", orange="b", players=["x"] * cars, score=(0, 0)
    )
    metadata = RecordingMetadata(source="test", mode=mode, tick_skip=8, games=[game])
    return Recording(recorder.states(), metadata)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings of 2v2 and one of 3v3, not to be changed."""
    path = tmp_path_factory.mktemp("replays")
    for name, mode, seed in (("b", "2v2", 1), ("deeper/a", "2v2", 2), ("c", "3v3", 3)):
        save_recording(path / f"{name}.npz", record(mode, seed))
    return path


def draw(source: ReplayStates, seed: int, team_size: int = 2) -> np.ndarray:
    state = source(np.random.default_rng(seed), team_size)
    return np.concatenate([np.ravel(field) for field in state])


def test_every_state_is_one_of_the_recordings(folder: Path) -> None:
    source = ReplayStates(folder, [1, 2, 3])
    assert source.counts == {2: 2 * STEPS, 3: STEPS}
    recorded = [record("2v2", seed).states for seed in (1, 2)]
    balls = np.concatenate([states.ball_position for states in recorded])
    cars = np.concatenate([states.car_position for states in recorded])
    axes = np.concatenate(
        [np.stack([s.car_forward, s.car_right, s.car_up], axis=2) for s in recorded]
    )
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(400):
        state = source(rng, 2)
        (row,) = np.flatnonzero((balls == state.ball_position).all(axis=1))[:1]
        seen.add(int(row))
        np.testing.assert_array_equal(state.car_position, cars[row])
        np.testing.assert_array_equal(state.car_rotation, axes[row])
    assert len(seen) > STEPS


def test_draws_are_the_generators_and_the_files_alone(folder: Path) -> None:
    one, other = ReplayStates(folder, [2]), ReplayStates(folder, [2])
    for seed in range(20):
        np.testing.assert_array_equal(draw(one, seed), draw(other, seed))
    assert any((draw(one, 0) != draw(one, seed)).any() for seed in range(1, 9))


def test_draws_cannot_change_what_is_drawn_later(folder: Path) -> None:
    state = ReplayStates(folder, [2])(np.random.default_rng(0), 2)
    with pytest.raises(ValueError, match="read-only"):
        state.car_position[:] = 0


def test_smaller_arenas_get_some_of_the_cars(folder: Path) -> None:
    source = ReplayStates(folder, [1, 2])
    teams = [states.car_position for states in (record("2v2", 1).states, record("2v2", 2).states)]
    cars = np.concatenate(teams)
    rng = np.random.default_rng(0)
    chosen = set()
    for _ in range(60):
        state = source(rng, 1)
        assert state.car_position.shape == (2, 3)
        assert state.car_rotation.shape == (2, 3, 3)
        for side, position in enumerate(state.car_position):
            match = (cars == position).all(axis=-1)
            slots = set(np.flatnonzero(match.any(axis=0)).tolist())
            assert slots <= {2 * side, 2 * side + 1}
            chosen |= slots
    assert chosen == {0, 1, 2, 3}


@pytest.mark.parametrize("mode", ["1v1", "2v2", "3v3"])
def test_the_physics_takes_every_draw(mode: str, folder: Path) -> None:
    size = int(mode[0])
    pool = ArenaPool([mode], threads=1)
    rng = np.random.default_rng(0)
    for source in (ReplayStates(folder, [size]), TrainingPacks()):
        for _ in range(30):
            state = source(rng, size)
            pool.set_state(0, state)
            np.testing.assert_allclose(pool.states.ball_position[0], state.ball_position, atol=1e-2)
            np.testing.assert_allclose(pool.states.car_position[0], state.car_position, atol=1e-2)
            pool.step(np.zeros((1, 2 * size, 8), np.float32))
            for array in pool.states[:9]:
                assert np.isfinite(array).all()
    pool.close()


def test_pads_come_back_when_they_would_have(tmp_path: Path) -> None:
    recording = record("1v1", 0)
    states = recording.states
    states.boost_pad_active[:] = True
    states.boost_pad_active[10:, 3] = False  # big, taken on step 10
    states.boost_pad_active[5:20, 0] = False  # small
    states.boost_pad_active[:4, 7] = False  # small, away when it all begins
    states.ball_position[:] = (0, 0, 100)
    states.ball_position[:, 0] = np.arange(STEPS)  # tells the steps apart
    save_recording(tmp_path / "a.npz", recording)
    source = ReplayStates(tmp_path / "a.npz", [1])
    rng = np.random.default_rng(0)
    for _ in range(200):
        state = source(rng, 1)
        step, cooldown = int(state.ball_position[0]), state.boost_pad_cooldown
        taken = {3: (10, STEPS, 10.0), 0: (5, 20, 4.0), 7: (0, 4, 4.0)}
        for pad, (first, end, seconds) in taken.items():
            away = (step - first + 0.5) / 15 if first <= step < end else None
            want = 0.0 if away is None else seconds - away
            assert cooldown[pad] == pytest.approx(want, abs=1e-5)
        assert (np.delete(cooldown, list(taken)) == 0).all()


def spoiled(name: str, value: object) -> Recording:
    recording = record("1v1", 0)
    getattr(recording.states, name)[5:] = value
    return recording


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ball_position", (0, 5200, 100)),  # in the goal
        ("ball_position", (9000, 0, 100)),
        ("ball_linear_velocity", (7000, 0, 0)),
        ("car_position", (0, 0, -50)),
        ("car_linear_velocity", (1e30, 0, 0)),
        ("car_angular_velocity", (9, 0, 0)),
        ("car_forward", (0, 0, 0)),
        ("car_boost", 1.5),
        ("car_is_demoed", True),
        ("car_mask", (True, False)),
    ],
)
def test_states_that_the_game_does_not_have_are_left_out(
    name: str, value: object, tmp_path: Path
) -> None:
    save_recording(tmp_path / "a.npz", spoiled(name, value))
    assert ReplayStates(tmp_path, [1]).counts == {1: 5}


def test_memory_is_bounded_by_thinning(folder: Path) -> None:
    source = ReplayStates(folder, [2, 3], max_states=40)
    assert source.counts == {2: 16, 3: 8}  # every fourth step
    np.testing.assert_array_equal(
        draw(source, 0), draw(ReplayStates(folder, [2, 3], max_states=40), 0)
    )


def test_a_folder_is_searched_in_any_case_and_depth(tmp_path: Path) -> None:
    for name in ("a", "one/two/b", ".cache/c"):
        save_recording(tmp_path / f"{name}.npz", record("1v1", 0))
    once = ReplayStates(tmp_path / "a.npz", [1]).counts[1]
    (tmp_path / "one" / "two" / "b.npz").rename(tmp_path / "one" / "two" / "B.NPZ")
    (tmp_path / "._a.npz").write_bytes(b"what macOS leaves behind")
    assert ReplayStates(tmp_path, [1]).counts == {1: 2 * once}


def test_no_states_is_an_error_with_the_way_out(folder: Path, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no.npz"):
        with pytest.raises(ReplayStatesError, match=f"{path}: expected a recording.*replays imp"):
            ReplayStates(path, [1])
    save_recording(tmp_path / "a.npz", record("1v1", 0))
    with pytest.raises(ReplayStatesError, match=r"no usable state of 2v2 or larger .*has 1v1"):
        ReplayStates(tmp_path, [1, 2])
    save_recording(tmp_path / "a.npz", spoil_all())
    with pytest.raises(ReplayStatesError, match=r"of 1v1 or larger play .it has none at all"):
        ReplayStates(tmp_path, [1])
    (tmp_path / "b.npz").write_bytes(b"broken")
    with pytest.raises(RecordingError, match=r"b.npz"):
        ReplayStates(tmp_path, [1])


def spoil_all() -> Recording:
    states = record("1v1", 0).states
    arrays = {name: array.copy() for name, array in states._asdict().items()}
    arrays["car_is_demoed"][:] = True
    return record("1v1", 0)._replace(states=GameStates(**arrays))


def test_training_packs_are_shots_of_the_first_car() -> None:
    packs = TrainingPacks()
    assert len(packs) > 5000
    rng = np.random.default_rng(0)
    moving = 0
    for _ in range(300):
        state = packs(rng, 2)
        assert state.car_boost[0] == 1
        assert (state.car_position[1, 1] < 0, *(state.car_position[2:, 1] > 0)) == (True,) * 3
        axes = state.car_rotation
        np.testing.assert_allclose(
            axes @ np.swapaxes(axes, 1, 2), np.eye(3)[None].repeat(4, 0), atol=1e-5
        )
        moving += np.linalg.norm(state.ball_linear_velocity) > 100
    assert moving > 200
