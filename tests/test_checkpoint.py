"""Checkpoints survive crashes, and what did not survive is refused with a useful message."""

import errno
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lucy.agent import checkpoint
from lucy.agent.checkpoint import DOCUMENT, OPTIMIZER, POLICY, Checkpoint, CheckpointError

VERSIONS = {"observation": 3, "action": 2, "lucy": "0.1.0"}


class Policy(nn.Module):
    """Like an SB3 policy: one feature extractor under two names, a buffer, a loose parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.features_extractor = nn.Linear(4, 8)
        self.pi_features_extractor = self.features_extractor
        self.action_net = nn.Linear(8, 3)
        self.log_std = nn.Parameter(torch.zeros(3))
        self.unused = nn.Parameter(torch.ones(2))
        self.register_buffer("mean", torch.arange(3.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.action_net(self.pi_features_extractor(x).tanh()) * self.log_std.exp()


def make(seed: int = 0, **adam: Any) -> tuple[Policy, torch.optim.Adam]:
    torch.manual_seed(seed)
    policy = Policy()
    return policy, torch.optim.Adam(policy.parameters(), lr=0.01, **adam)


def train(policy: Policy, optimizer: torch.optim.Adam, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        policy(torch.randn(16, 4)).square().mean().backward()
        optimizer.step()


def save(directory: Path, step: int = 100, value: float = 0.0, **changes: Any) -> Path:
    """Save something small."""
    content: dict[str, Any] = {
        "policy": {"w": torch.full((64,), value)},
        "optimizer": {"step.w": torch.tensor(value)},
        "config": {"learning_rate": 1e-4},
        "counters": {"steps": step},
        "versions": VERSIONS,
        "random_state": {},
    }
    return checkpoint.save(directory, step, **content | changes)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def steps(directory: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in checkpoint.step_folders(directory))


def assert_helpful(error: BaseException, path: Path, *parts: str) -> None:
    message = str(error)
    for part in (str(path), "expected ", ", but ", *parts):
        assert part in message
    assert message.rsplit(". ", 1)[1].endswith(".")  # the way out


# Round trip


@pytest.mark.parametrize("adam", [{}, {"amsgrad": True}, {"foreach": True}])
@pytest.mark.parametrize("trained", [0, 3])
def test_resumed_training_is_bit_equal(tmp_path: Path, adam: dict[str, bool], trained: int) -> None:
    policy, optimizer = make(**adam)
    train(policy, optimizer, trained)
    path = checkpoint.save(
        tmp_path,
        7,
        policy=policy.state_dict(),
        optimizer=checkpoint.optimizer_tensors(optimizer, policy),
        config={"a": [1, 2.5, None, "é"]},
        counters={"steps": 7},
        versions=VERSIONS,
        random_state=checkpoint.capture_random_state(),
    )
    train(policy, optimizer, 3)

    resumed, resumed_optimizer = make(seed=1, **adam)
    saved = checkpoint.load(path, expected_versions={"observation": 3, "action": 2})
    checkpoint.load_policy_tensors(resumed, saved.policy, saved.path)
    checkpoint.load_optimizer_tensors(resumed_optimizer, resumed, saved.optimizer, saved.path)
    checkpoint.restore_random_state(saved.random_state)
    train(resumed, resumed_optimizer, 3)

    assert path == saved.path == tmp_path / "step-000000000007"
    assert saved.config == {"a": [1, 2.5, None, "é"]}
    assert (saved.counters, saved.versions) == ({"steps": 7}, VERSIONS)
    for name, tensor in policy.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    state = checkpoint.optimizer_tensors(optimizer, policy)
    for name, tensor in checkpoint.optimizer_tensors(resumed_optimizer, resumed).items():
        assert torch.equal(tensor, state[name]), name


def test_loaded_tensors_are_not_tied_to_the_optimizer() -> None:
    policy, optimizer = make()
    train(policy, optimizer, 1)
    tensors = {k: v.clone() for k, v in checkpoint.optimizer_tensors(optimizer, policy).items()}
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    checkpoint.load_optimizer_tensors(optimizer, policy, tensors)
    train(policy, optimizer, 1)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in before.items())


def test_optimizer_names_follow_the_parameters() -> None:
    policy, optimizer = make()
    found = checkpoint.optimizer_tensors(optimizer, policy)
    assert {name for name in found if name.endswith("log_std")} == {
        "step.log_std",
        "exp_avg.log_std",
        "exp_avg_sq.log_std",
    }
    assert not optimizer.state


def test_tensors_of_odd_layout_keep_their_values(tmp_path: Path) -> None:
    tensors = {
        "transposed": torch.arange(6.0).view(2, 3).T,
        "expanded": torch.ones(1).expand(4),
        "empty": torch.zeros(0, 3),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "integer": torch.tensor(7),
    }
    loaded = checkpoint.load(save(tmp_path, policy=tensors, optimizer={}))
    assert loaded.policy.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded.policy[name].dtype == tensor.dtype
        assert torch.equal(loaded.policy[name], tensor)
    assert loaded.optimizer == {}


def test_random_state_repeats_all_generators() -> None:
    def draw() -> list[float]:
        numbers = np.random.rand(3)  # noqa: NPY002 - the state under test
        normal = np.random.standard_normal()  # noqa: NPY002
        return [random.random(), random.gauss(0, 1), *numbers, normal, *torch.rand(3).tolist()]

    draw()  # leaves half a pair of Gaussian numbers behind
    state = json.loads(json.dumps(checkpoint.capture_random_state(), allow_nan=False))
    first = draw()
    assert draw() != first
    checkpoint.restore_random_state(state)
    assert draw() == first


def test_a_gpus_random_state_goes_with_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = {"cuda:0": torch.tensor([5], dtype=torch.uint8), "cuda:1": torch.tensor([7]).byte()}
    set_to: list[tuple[str, list[int]]] = []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: streams[str(device)])
    monkeypatch.setattr(
        *(torch.cuda, "set_rng_state"),
        lambda state, device: set_to.append((str(device), state.tolist())),
    )
    second = checkpoint.capture_random_state(torch.device("cuda:1"))
    for device in ("cuda:0", "cuda:1", "cuda:3"):  # other cards, and another number of them
        checkpoint.restore_random_state(second, torch.device(device))
    assert set_to == [("cuda:0", [7]), ("cuda:1", [7]), ("cuda:3", [7])]
    set_to.clear()
    checkpoint.restore_random_state(second, torch.device("cpu"))
    here = checkpoint.capture_random_state(torch.device("cpu"))
    checkpoint.restore_random_state(here, torch.device("cuda:0"))
    assert not set_to


def test_generator_state_and_integer_keys_pass_through_json(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    path = save(
        tmp_path, random_state={"agent": generator.bit_generator.state}, counters={10: 1, 9: 2}
    )
    loaded = checkpoint.load(path)
    assert loaded.counters == {"10": 1, "9": 2}
    other = np.random.default_rng()
    other.bit_generator.state = loaded.random_state["agent"]
    assert other.random() == generator.random()


# Tensors that do not fit


def without_log_std(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[next(name for name in tensors if name.endswith("log_std"))]


def with_extra(tensors: dict[str, torch.Tensor]) -> None:
    tensors["extra"] = torch.zeros(1)


def with_other_shape(tensors: dict[str, torch.Tensor]) -> None:
    name = next(name for name, tensor in tensors.items() if tensor.shape == (3, 8))
    tensors[name] = torch.zeros(8, 3)


def with_other_type(tensors: dict[str, torch.Tensor]) -> None:
    name = next(name for name in tensors if name.endswith("log_std"))
    tensors[name] = tensors[name].double()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (without_log_std, "found nothing"),
        (with_extra, "extra (not in the model, found float32 [1])"),
        (with_other_shape, "float32 [3, 8], found float32 [8, 3]"),
        (with_other_type, "found float64 ["),
    ],
)
def test_tensors_of_another_model_are_refused(
    change: Callable[[dict[str, torch.Tensor]], None], expected: str, tmp_path: Path
) -> None:
    policy, optimizer = make()
    train(policy, optimizer, 1)
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}

    tensors = {name: tensor + 1 for name, tensor in policy.state_dict().items()}
    change(tensors)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load_policy_tensors(policy, tensors, tmp_path)
    assert_helpful(caught.value, tmp_path, expected)

    tensors = checkpoint.optimizer_tensors(optimizer, policy)
    change(tensors)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load_optimizer_tensors(optimizer, policy, tensors, tmp_path)
    assert_helpful(caught.value, tmp_path, expected)

    assert all(torch.equal(policy.state_dict()[name], tensor) for name, tensor in before.items())


def test_a_wholly_different_model_gives_a_short_message() -> None:
    policy, _ = make()
    with pytest.raises(CheckpointError, match=r"and 4 more\. Take"):
        checkpoint.load_policy_tensors(policy, {})


# Refusals


def damage_truncate(data: bytes) -> bytes:
    return data[:-1]


def damage_empty(data: bytes) -> bytes:
    return b""


def damage_append(data: bytes) -> bytes:
    return data + b"0"


@pytest.mark.parametrize("name", [POLICY, OPTIMIZER, DOCUMENT])
@pytest.mark.parametrize("damage", [damage_truncate, damage_empty, damage_append])
def test_truncated_files_are_refused(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    file = save(tmp_path) / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(file.parent)
    assert_helpful(caught.value, file, "Choose another checkpoint")


@pytest.mark.parametrize("name", [POLICY, OPTIMIZER, DOCUMENT])
def test_no_flipped_bit_changes_what_is_loaded(tmp_path: Path, name: str) -> None:
    file = save(tmp_path) / name
    whole = file.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 150)):
        altered = bytearray(whole)
        altered[position] ^= 1 << position % 8
        file.write_bytes(altered)
        with pytest.raises(CheckpointError) as caught:
            checkpoint.load(file.parent)
        assert_helpful(caught.value, file)


@pytest.mark.parametrize("name", [POLICY, OPTIMIZER, DOCUMENT])
def test_missing_files_are_refused(tmp_path: Path, name: str) -> None:
    file = save(tmp_path) / name
    file.unlink()
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(file.parent)
    assert_helpful(caught.value, file, "Choose another checkpoint")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", "null", "{}", '{"format": "zip"}', "[" * 100_000, "\udcff"]
)
def test_foreign_json_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / DOCUMENT
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(tmp_path)
    assert_helpful(caught.value, file, "Choose another checkpoint")


@pytest.mark.parametrize("change", [{"counters": {"steps": 101}}, {"counters": float("nan")}])
def test_edited_document_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    file = save(tmp_path) / DOCUMENT
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(file.parent)
    assert_helpful(caught.value, file, "it was altered")


def test_newer_format_is_refused_and_never_pruned(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    file = path / DOCUMENT
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format_version": 2}))
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    assert_helpful(caught.value, file, "format version 1", "format version 2", "Upgrade Lucy")
    save(tmp_path, 2)
    save(tmp_path, 3)
    checkpoint.prune(tmp_path, keep_newest=1, keep_every=0)
    assert steps(tmp_path) == [1, 3]


def test_other_versions_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path)
    for name in ("observation", "action"):
        with pytest.raises(CheckpointError) as caught:
            checkpoint.load(path, expected_versions={name: 9})
        assert_helpful(caught.value, path, f"{name} version 9", f"{name} version {VERSIONS[name]}")
        assert "Use the Lucy that saved it (0.1.0)" in str(caught.value)
    with pytest.raises(CheckpointError, match="map version None"):
        checkpoint.load(path, expected_versions={"map": 1})


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.touch()
    for path, found, remedy in (
        (tmp_path / "missing", "it does not exist", "Pass an existing checkpoint"),
        (file, "it is not a folder", "Pass an existing checkpoint"),
        (tmp_path, "there is none in it", "Pass a folder that `lucy train` saved"),
    ):
        with pytest.raises(CheckpointError) as caught:
            checkpoint.load(path)
        assert_helpful(caught.value, path, found, remedy)


# The newest whole checkpoint


def test_run_directory_stands_for_its_newest_whole_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "checkpoints"
    assert checkpoint.newest(directory) is None
    old, new = save(directory, 999_999_999_999), save(directory, 1_000_000_000_000)
    assert checkpoint.newest(directory) == new
    assert checkpoint.load(tmp_path).path == checkpoint.load(directory).path == new
    assert not caplog.records

    (new / POLICY).write_bytes(b"")
    assert checkpoint.load(tmp_path).path == old
    assert str(new / POLICY) in caplog.text

    (old / DOCUMENT).unlink()
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(tmp_path)
    assert_helpful(caught.value, tmp_path, "all 2 checkpoints in it are broken")
    with pytest.raises(CheckpointError, match="reading failed"):
        checkpoint.load(old)


# Crashes


def test_leftovers_of_a_crash_are_removed(tmp_path: Path) -> None:
    leftover = tmp_path / ".tmp-step-000000000001"
    leftover.mkdir()
    (leftover / POLICY).touch()
    assert checkpoint.newest(tmp_path) is None
    save(tmp_path, 1)
    assert names(tmp_path) == ["step-000000000001"]


@pytest.mark.parametrize("first", [100, 50])
def test_a_crash_between_any_two_disk_operations_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """Keep a copy of the folder before and after each operation and load every copy.

    With `first` 100 the second save replaces the only checkpoint.
    """
    directory = tmp_path / "checkpoints"
    save(directory, first, value=1.0)
    copies: list[Path] = []

    def copy() -> None:
        copies.append(shutil.copytree(directory, tmp_path / f"copy{len(copies)}"))

    def copying(operation: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any) -> Any:
            copy()
            result = operation(*args)
            copy()
            return result

        return wrapper

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", copying(os.fsync))
        patch.setattr(Path, "rename", copying(Path.rename))
        save(directory, 100, value=2.0)
        checkpoint.prune(directory, keep_newest=1, keep_every=0)

    assert names(directory) == ["step-000000000100"]
    assert len(copies) >= 2 * (3 + 2)
    values = [checkpoint.load(path).policy["w"][0].item() for path in copies]
    assert values == sorted(values)
    assert {values[0], values[-1]} == {1.0, 2.0}
    for crashed in copies:
        save(crashed, 100, value=3.0)
        assert set(names(crashed)) <= {"step-000000000050", "step-000000000100"}
        assert checkpoint.load(crashed).policy["w"][0] == 3.0


KILLED = """
import itertools, sys, torch
from pathlib import Path
from lucy.agent import checkpoint
for count in itertools.count(2 * int(sys.argv[2])):
    step = count // 2  # each step twice: the second time it is replaced
    checkpoint.save(
        Path(sys.argv[1]), step, policy={"w": torch.full((20_000,), float(step))},
        optimizer={}, config={}, counters={"steps": step}, versions={}, random_state={},
    )
    checkpoint.prune(Path(sys.argv[1]), keep_newest=2, keep_every=10)
    print(step, flush=True)
"""


def test_killed_processes_leave_a_whole_checkpoint(tmp_path: Path) -> None:
    directories = [tmp_path / "a", tmp_path / "b"]
    reached = dict.fromkeys(directories, 0)
    moments = random.Random(0)
    for _ in range(3):  # few: each process takes a second to import torch
        processes = {
            directory: subprocess.Popen(
                [sys.executable, "-c", KILLED, str(directory), str(reached[directory])],
                stdout=subprocess.PIPE,
                text=True,
            )
            for directory in directories
        }
        for directory, process in processes.items():
            assert process.stdout
            with process:
                for _ in range(moments.randint(3, 6)):  # the third line is of a later step
                    assert process.stdout.readline()
                time.sleep(moments.uniform(0, 0.05))
                process.kill()
                printed = process.stdout.read().splitlines()
            saved = checkpoint.load(directory)
            step = saved.counters["steps"]
            assert step >= int(printed[-1] if printed else reached[directory])
            assert torch.equal(saved.policy["w"], torch.full((20_000,), float(step)))
            reached[directory] = step
    assert min(reached.values()) > 0


# Failing saves


@pytest.mark.parametrize("good_writes", [0, 1, 2])
@pytest.mark.parametrize("earlier", [False, True])
def test_full_disk_leaves_the_older_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good_writes: int, earlier: bool
) -> None:
    survivor = save(tmp_path, 1) if earlier else None
    counter = itertools.count()
    sync = os.fsync

    def full(descriptor: int) -> None:
        if next(counter) >= good_writes:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CheckpointError) as caught:
            save(tmp_path, 2)
    left = f"the newest whole checkpoint is {survivor}" if survivor else "none was saved before"
    assert_helpful(
        caught.value,
        tmp_path / "step-000000000002",
        "No space left on device",
        left,
        "Free disk space",
    )
    assert names(tmp_path) == (["step-000000000001"] if earlier else [])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_only_finite_json_is_saved(tmp_path: Path, value: object) -> None:
    survivor = save(tmp_path, 1)
    with pytest.raises(CheckpointError) as caught:
        save(tmp_path, 2, counters={"loss": value})
    assert_helpful(caught.value, tmp_path / "step-000000000002", str(survivor), "JSON")
    assert names(tmp_path) == ["step-000000000001"]


def test_interrupt_while_saving_leaves_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, 2)
    assert names(tmp_path) == []


def test_unwritable_directory_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.touch()
    with pytest.raises(CheckpointError) as caught:
        save(file / "checkpoints", 1)
    assert_helpful(caught.value, file / "checkpoints", "none was saved before", "--resume")


def test_systems_that_cannot_sync_folders_are_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)  # what Windows does for a folder
        path = save(tmp_path)
    assert checkpoint.load(path)


# Pruning


def test_prune_keeps_the_newest_and_every_so_many_th(tmp_path: Path) -> None:
    kept = []
    for index in range(1, 11):
        save(tmp_path, index * 10)
        checkpoint.prune(tmp_path, keep_newest=2, keep_every=3)
        kept.append(steps(tmp_path))
    assert kept[:5] == [[10], [10, 20], [20, 30], [30, 40], [30, 40, 50]]
    assert kept[-1] == [30, 60, 90, 100]
    checkpoint.prune(tmp_path, keep_newest=1, keep_every=0)
    assert names(tmp_path) == ["step-000000000100"]


def test_prune_does_not_count_broken_checkpoints(tmp_path: Path) -> None:
    for step in range(1, 6):
        save(tmp_path, step)
    for path in checkpoint.step_folders(tmp_path)[:2]:
        (path / POLICY).unlink()
    checkpoint.prune(tmp_path, keep_newest=1, keep_every=0)
    assert steps(tmp_path) == [3, 4, 5]
    assert checkpoint.newest(tmp_path) == tmp_path / "step-000000000003"


def test_prune_goes_on_where_deleting_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step)
    rename = Path.rename

    def busy(path: Path, target: Path) -> Path:
        if path.name.endswith("2"):
            raise PermissionError("in use")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", busy)
    checkpoint.prune(tmp_path, keep_newest=1, keep_every=0)
    assert steps(tmp_path) == [2, 3]
    assert "step-000000000002: in use" in caplog.text


@pytest.mark.parametrize("limits", [(0, 1), (1, -1)])
def test_prune_refuses_to_delete_everything(tmp_path: Path, limits: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="keep_newest >= 1"):
        checkpoint.prune(tmp_path, *limits)


# Single files


def test_json_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.json"
    checkpoint.write_json_atomically(file, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        checkpoint.write_json_atomically(file, {"a": float("nan")})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.write_json_atomically(file, {"a": 2})
    assert json.loads(file.read_text()) == {"a": 1}
    assert names(tmp_path) == ["config.json"]


def test_checkpoint_has_the_documented_fields(tmp_path: Path) -> None:
    document = json.loads((save(tmp_path) / DOCUMENT).read_text())
    assert (document["format"], document["format_version"]) == ("lucy-checkpoint", 1)
    assert document["files"].keys() == {POLICY, OPTIMIZER}
    assert document["files"][POLICY].keys() == {"size", "sha256"}
    assert document["save_index"] == 1
    tensors = {"policy", "optimizer", "auxiliary", "games"}
    assert set(Checkpoint._fields) - {"path", *tensors} <= document.keys()
