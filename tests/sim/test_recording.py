"""Recordings: what was played comes back as it was, and nothing else comes in."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lucy.sim.engine import ArenaPool
from lucy.sim.recording import (
    MAX_BYTES,
    RecordedGame,
    Recorder,
    Recording,
    RecordingError,
    RecordingMetadata,
    check_target,
    load_recording,
    save_recording,
    step_bytes,
)
from lucy.sim.resets import InitialState, random_state
from lucy.sim.state import GameStates, select

from .fuzz import fuzz_recordings

ARENAS, STEPS = 3, 40
FUZZ_ROUNDS = int(os.environ.get("LUCY_FUZZ", "300"))


def play(mode: str = "2v2") -> tuple[Recording, list[GameStates]]:
    """A recording of arenas from random states, and copies of what the pool showed."""
    pool = ArenaPool([mode] * ARENAS, threads=1)
    rng = np.random.default_rng(0)
    cars = pool.states.car_mask.shape[1]
    for arena in range(ARENAS):
        pool.set_state(arena, random_state(rng, cars // 2))
    recorder = Recorder(capacity=16)  # so that it must grow
    seen = []
    for step in range(STEPS):
        if step:
            pool.step(rng.uniform(-1, 1, (ARENAS, cars, 8)).astype(np.float32))
        recorder.append(pool.states)
        seen.append(GameStates(*(array.copy() for array in pool.states)))
    pool.close()
    games = [
        RecordedGame(
            start=arena * STEPS,
            stop=(arena + 1) * STEPS,
            blue="random",
            orange="chäser",
            players=["random"] * (cars // 2) + ["chäser"] * (cars // 2),
            score=(0, 0),
        )
        for arena in range(ARENAS)
    ]
    metadata = RecordingMetadata(source="match", mode=mode, tick_skip=8, seed=3, games=games)
    return Recording(recorder.states(), metadata), seen


@pytest.fixture(scope="module")
def played() -> tuple[Recording, list[GameStates]]:
    return play()


@pytest.fixture
def recording(played: tuple[Recording, list[GameStates]]) -> Recording:
    """A copy that may be spoiled."""
    states = GameStates(*(array.copy() for array in played[0].states))
    return played[0]._replace(states=states)


def assert_equal(ours: GameStates, theirs: GameStates) -> None:
    for name, array in ours._asdict().items():
        np.testing.assert_array_equal(array, getattr(theirs, name), err_msg=name)
        assert array.dtype == getattr(theirs, name).dtype


def test_play_recorded_saved_and_loaded_is_the_play(
    played: tuple[Recording, list[GameStates]], tmp_path: Path
) -> None:
    recording, seen = played
    path = tmp_path / "new folder" / "games.npz"
    save_recording(path, recording)
    loaded = load_recording(path)
    assert loaded.metadata == recording.metadata
    assert loaded.metadata.games[0].orange == "chäser"
    assert_equal(loaded.states, recording.states)
    for arena in range(ARENAS):
        game = loaded.game(arena)
        for step in range(STEPS):
            want = select(seen[step], slice(arena, arena + 1))
            assert_equal(select(game, slice(step, step + 1)), want)
    loaded.states.ball_position[:] = 0  # arrays of one's own
    assert [file.name for file in path.parent.iterdir()] == ["games.npz"]


@pytest.mark.parametrize("mode", ["1v1", "3v3"])
def test_a_recorded_row_set_again_is_the_same_state(mode: str) -> None:
    states = play(mode)[0].states
    cars = states.car_mask.shape[1]
    pool = ArenaPool([mode], threads=1)
    for step in (0, 7, STEPS - 1):
        axes = (states.car_forward, states.car_right, states.car_up)
        pool.set_state(
            0,
            InitialState(
                states.ball_position[step],
                states.ball_linear_velocity[step],
                states.ball_angular_velocity[step],
                states.car_position[step],
                states.car_linear_velocity[step],
                states.car_angular_velocity[step],
                np.stack([axis[step] for axis in axes], axis=1),
                states.car_boost[step],
                states.car_on_ground[step],
                np.where(states.boost_pad_active[step], 0.0, 4.0),
            ),
        )
        for name, array in pool.states._asdict().items():
            if name.startswith(("ball_", "car_position", "car_linear", "car_forward", "car_up")):
                want = getattr(states, name)[step]
                np.testing.assert_allclose(array[0], want, rtol=1e-6, atol=1e-4, err_msg=name)
        np.testing.assert_allclose(pool.states.car_boost[0], states.car_boost[step], atol=1e-6)
        assert pool.states.car_mask.shape == (1, cars)
    pool.close()


def test_a_save_replaces_the_old_file_or_leaves_it(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "games.npz"
    path.write_bytes(b"old")
    spoiled = recording._replace(states=recording.states._replace(score=np.zeros(3, np.int32)))
    with pytest.raises(RecordingError, match="state/score is int32"):
        save_recording(path, spoiled)
    assert path.read_bytes() == b"old"
    save_recording(path, recording)
    assert_equal(load_recording(path).states, recording.states)
    assert list(tmp_path.iterdir()) == [path]


def test_numpy_reads_a_recording_without_pickle(recording: Recording, tmp_path: Path) -> None:
    save_recording(tmp_path / "a.npz", recording)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["state/ball_position"], recording.states.ball_position)
        assert json.loads(file["metadata"].tobytes())["mode"] == "2v2"


def test_arenas_may_have_more_steps_than_others() -> None:
    states = play()[1][0]
    recorder = Recorder(capacity=1)
    with pytest.raises(ValueError, match="nothing was recorded"):
        recorder.states()
    recorder.append(states)
    for value in (5, 6):
        states.ball_position[:] = value
        recorder.append(states, np.array([1]))
    recorder.append(states, np.array([], np.int64))
    assert recorder.steps.tolist() == [1, 3, 1]
    recorded = recorder.states()
    assert recorded.ball_position[2:4, 0].tolist() == [5, 6]
    assert recorded.episode_start.shape == (5,)


def test_a_recording_of_too_many_games_is_refused_beforehand(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"3,000,000,000 bytes are more.*fewer games"):
        check_target(tmp_path / "a.npz", 3_000_000_000)


def test_step_bytes_is_what_a_step_takes(recording: Recording) -> None:
    total = sum(array.nbytes for array in recording.states) - recording.states.car_team.nbytes
    assert step_bytes(4) * ARENAS * STEPS == total


def spoil(name: str, value: object) -> Callable[[Recording], Recording]:
    def spoiled(recording: Recording) -> Recording:
        getattr(recording.states, name)[5] = value
        return recording

    return spoiled


def regame(**changes: object) -> Callable[[Recording], Recording]:
    def changed(recording: Recording) -> Recording:
        games = list(recording.metadata.games)
        games[1] = games[1].model_copy(update=changes)
        return recording._replace(metadata=recording.metadata.model_copy(update={"games": games}))

    return changed


def reteam(recording: Recording) -> Recording:
    recording.states.car_team[:] = (0, 1, 0, 1)
    return recording


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil("ball_position", np.nan), "state/ball_position holds values that are not finite"),
        (spoil("car_boost", np.inf), "state/car_boost holds values that are not finite"),
        (reteam, r"state/car_team is \[0, 1, 0, 1\], expected 0 for the blue cars first"),
        (regame(start=7), "game 1 is said to be steps 7 to 80"),
        (regame(stop=10**6), "game 1 is said to be steps 40 to 1000000; .* in 120 steps"),
        (regame(players=["a"]), "game 1 names 1 players for 4 cars"),
        (
            lambda r: r._replace(states=select(r.states, slice(0, 0))),
            "at least one step of 1 to 8 cars, got 0 of 4",
        ),
        (
            lambda r: r._replace(states=r.states._replace(episode_start=np.zeros(120, np.bool_))),
            "game 0 does not begin with an episode's start",
        ),
        (
            lambda r: r._replace(
                metadata=r.metadata.model_copy(update={"games": r.metadata.games[:2]})
            ),
            "the games end at step 80, the recording at 120",
        ),
    ],
)
def test_what_is_not_a_recording_is_not_saved(
    change: Callable[[Recording], Recording], message: str, recording: Recording, tmp_path: Path
) -> None:
    with pytest.raises(RecordingError, match=message):
        save_recording(tmp_path / "a.npz", change(recording))
    assert not list(tmp_path.iterdir())


def archive(path: Path, arrays: dict[str, np.ndarray | bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in arrays.items():
            if isinstance(content, np.ndarray):
                stream = io.BytesIO()
                np.lib.format.write_array(stream, content, allow_pickle=True)
                content = stream.getvalue()
            file.writestr(f"{name}.npy", content)


def header(shape: str, descr: str = "<f4") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state/score": None}, "is no recording: it has no state/score"),
        ({"metadata": None}, "is no recording: it has no metadata"),
        (
            {"state/score": np.array([{}])},
            r"state/score has values of type \|O, as no recording has",
        ),
        ({"state/score": np.zeros((120, 2))}, "state/score has values of type <f8"),
        ({"state/score": np.zeros((120, 2), np.float32)}, "state/score is float32"),
        ({"state/score": np.zeros((119, 2), np.int32)}, r"expected int32 \[120, 2\]"),
        ({"state/score": np.asfortranarray(np.zeros((120, 2), np.int32))}, "the header"),
        ({"state/car_mask": header("120, 4", "|b1") + b"\x02" * 480}, "neither 0 nor 1"),
        ({"state/ball_position": b""}, "no NumPy header"),
        ({"state/ball_position": header("900000000000000, 3")}, r"shape \(9.*, 3\) in \d+ bytes"),
        ({"state/ball_position": header("120, 3")[:30]}, "has the header"),
        ({"metadata": np.frombuffer(b"{}", np.uint8)}, "metadata is not valid: source: Field req"),
        ({"metadata": np.frombuffer(b"[" * 9999, np.uint8)}, "metadata is not valid"),
        (
            {"metadata": np.frombuffer(b'{"format_version": 2}', np.uint8)},
            "expected recording format 1; upgrade Lucy",
        ),
    ],
)
def test_what_is_not_a_recording_is_not_loaded(
    changes: dict[str, np.ndarray | bytes | None],
    message: str,
    recording: Recording,
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.npz"
    document = np.frombuffer(recording.metadata.model_dump_json().encode(), np.uint8)
    arrays = {f"state/{name}": array for name, array in recording.states._asdict().items()}
    changed = {"metadata": document, **arrays, **changes}
    archive(path, {name: array for name, array in changed.items() if array is not None})
    with pytest.raises(RecordingError, match=message) as caught:
        load_recording(path)
    assert str(path) in str(caught.value)


def test_a_bomb_is_refused_before_it_is_opened(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_recording(path, recording)
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    entry = data.index(b"PK\x01\x02", directory + 1)  # the first array's
    data[entry + 24 : entry + 28] = (MAX_BYTES - 10**6).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=r"a claimed size of 2,146,483,648 bytes"):
        load_recording(path)
    data[entry + 24 : entry + 28] = (MAX_BYTES + 1).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=r": 2,147,\d+,\d+ bytes are more than the"):
        load_recording(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04K\x01.", b"x" * 1000])
def test_foreign_files(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"a.npz: expected a recording of .lucy match --rec"):
        load_recording(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "no.npz", tmp_path):
        with pytest.raises(RecordingError, match=f"{path}.*cannot be read"):
            load_recording(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_refused_unopened(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    os.mkfifo(path)
    opened = os.open(path, os.O_RDWR)  # so that a reader that opens it fails rather than waits
    try:
        with pytest.raises(RecordingError, match=r"a.npz: cannot be read, for it is a folder, a"):
            load_recording(path)
    finally:
        os.close(opened)


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.npz").mkdir()
    for name, message in (
        ("out", "expected a file name that ends in .npz"),
        ("file/out.npz", "cannot be written .*choose another place"),
        ("folder.npz", "is a folder; name a file"),
    ):
        with pytest.raises(RecordingError, match=message):
            check_target(tmp_path / name)
    check_target(tmp_path / "new" / "out.npz")
    assert list((tmp_path / "new").iterdir()) == []


def test_mutated_recordings_load_or_are_refused(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "seed.npz"
    save_recording(path, recording)
    outcome = fuzz_recordings(path, tmp_path / "mutated.npz", FUZZ_ROUNDS, seed=0)
    assert outcome.refused + outcome.loaded == FUZZ_ROUNDS
    assert outcome.refused > FUZZ_ROUNDS / 4
    assert outcome.slowest < 5
