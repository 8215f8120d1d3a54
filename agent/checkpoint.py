"""Crash-safe checkpoints: folders that are either whole or recognised as broken.

A checkpoint is a folder `<run>/checkpoints/step-000000123456` with the tensors of the policy and
of the optimizer (safetensors, never a pickle) and `checkpoint.json`, which lists their sizes and
SHA-256 sums, its own sum, and everything else that a resumed training needs. It is written beside
its final place and then renamed, so a process that dies at any moment leaves the older checkpoints
whole and at most a temporary folder, which the next save removes.
"""

import base64
import contextlib
import hashlib
import json
import logging
import os
import random
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from .errors import LucyError

FORMAT = "lucy-checkpoint"
FORMAT_VERSION = 1
DOCUMENT = "checkpoint.json"
POLICY = "policy.safetensors"
OPTIMIZER = "optimizer.safetensors"
AUXILIARY = "auxiliary.safetensors"
GAMES = "games.safetensors"

_PARTS = {
    "save_index": int,
    "files": dict,
    "versions": dict,
    "config": dict,
    "counters": dict,
    "random_state": dict,
}
_STEP_FOLDER = re.compile(r"step-(\d{12,})(-new)?")
_REPLACEMENT = "-new"
_TEMPORARY = ".tmp-"
_CHOOSE_ANOTHER = (
    "Choose another checkpoint, or pass the run directory to get its newest whole one."
)

_log = logging.getLogger(__name__)


class CheckpointError(LucyError):
    """A checkpoint cannot be saved or loaded.

    Args:
        path: What the message is about.
        expected: What should have been there.
        found: What came instead.
        remedy: What the user can do, as whole sentences.
    """

    def __init__(self, path: object, expected: str, found: str, remedy: str) -> None:
        self.fact = f"{path}: expected {expected}, but {found}."
        super().__init__(f"{self.fact} {remedy}")


class Checkpoint(NamedTuple):
    """A whole, verified checkpoint in memory."""

    path: Path
    config: dict[str, Any]
    counters: dict[str, Any]
    versions: dict[str, Any]
    random_state: dict[str, Any]
    policy: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    auxiliary: dict[str, Tensor]
    games: dict[str, Tensor]


def save(
    directory: Path,
    step: int,
    *,
    policy: Mapping[str, Tensor],
    optimizer: Mapping[str, Tensor],
    auxiliary: Mapping[str, Tensor] | None = None,
    games: Mapping[str, Tensor] | None = None,
    config: Mapping[str, Any],
    counters: Mapping[str, Any],
    versions: Mapping[str, Any],
    random_state: Mapping[str, Any],
) -> Path:
    """Write one checkpoint so that a crash at any moment loses at most this one.

    A checkpoint of the same step is replaced. Only one process may save into a directory, which
    the lock of the run directory sees to.

    Args:
        directory: The folder of the checkpoints of one run; created where missing.
        step: Number of environment steps so far; it names and orders the checkpoints.
        policy: `state_dict` of the policy.
        optimizer: What `optimizer_tensors` returns.
        auxiliary: What else is trained, weights and optimizer; a policy plays without it.
        games: What the games under way go on from; without it they start anew.
        config: Settings of the run, as finite JSON values, like the next three.
        counters: Progress of the training.
        versions: Versions of the `observation`, the `action` and of `lucy`.
        random_state: What `capture_random_state` returns, and more where the caller has more.

    Returns:
        The folder of the checkpoint.

    Raises:
        CheckpointError: Saving failed; the message names the newest checkpoint that is left.
    """
    final = directory / step_name(step)
    temporary = directory / f"{_TEMPORARY}{final.name}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _tidy(directory)
        files = {POLICY: _to_bytes(policy), OPTIMIZER: _to_bytes(optimizer)}
        for name, tensors in ((AUXILIARY, auxiliary), (GAMES, games)):
            if tensors:
                files[name] = _to_bytes(tensors)
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "save_index": 1 + max(_save_indices(directory), default=0),
            "files": {name: _fingerprint(data) for name, data in files.items()},
            "versions": versions,
            "config": config,
            "counters": counters,
            "random_state": random_state,
        }
        temporary.mkdir()
        for name, data in {**files, DOCUMENT: _sealed(document)}.items():
            write_durably(temporary / name, data)
        _sync_folder(temporary)
        _publish(temporary, final)
    except Exception as error:
        survivor = newest(directory)
        left = f"the newest whole checkpoint is {survivor}" if survivor else "none was saved before"
        raise CheckpointError(
            final,
            "to save a checkpoint",
            f"saving failed ({type(error).__name__}: {error}); {left}",
            "Free disk space, or mend the cause that is named, and go on with --resume.",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return final


def step_name(step: int) -> str:
    """The name of a checkpoint's folder after so many environment steps."""
    return f"step-{step:012d}"


def load(
    path: Path,
    device: str | torch.device = "cpu",
    expected_versions: Mapping[str, str | int] | None = None,
) -> Checkpoint:
    """Read a checkpoint and refuse one that is foreign, damaged or of other versions.

    Args:
        path: A checkpoint, or a run directory or its folder of checkpoints, which stand for the
            newest whole checkpoint in them.
        device: Where the tensors go.
        expected_versions: Versions that the checkpoint must have, by name; others are not checked.

    Returns:
        The checkpoint.

    Raises:
        CheckpointError: There is no such checkpoint or it cannot be used.
    """
    path = resolve(path)
    document, files = _read(path)
    check_versions(path, document["versions"], expected_versions or {})
    return Checkpoint(
        path=path,
        config=document["config"],
        counters=document["counters"],
        versions=document["versions"],
        random_state=document["random_state"],
        policy=_from_bytes(files[POLICY], device),
        optimizer=_from_bytes(files[OPTIMIZER], device),
        auxiliary=_from_bytes(files[AUXILIARY], device) if AUXILIARY in files else {},
        games=_from_bytes(files[GAMES], "cpu") if GAMES in files else {},
    )


def check_versions(
    path: Path, versions: Mapping[str, Any], expected: Mapping[str, str | int]
) -> None:
    """See that a checkpoint has the versions it must have.

    Args:
        path: The checkpoint.
        versions: `Checkpoint.versions`.
        expected: Versions by name; others are not checked.

    Raises:
        CheckpointError: One is different.
    """
    for name, version in expected.items():
        saved = versions.get(name)
        if saved != version:
            raise CheckpointError(
                path,
                f"{name} version {version!r}, the one this Lucy uses",
                f"the checkpoint was trained with {name} version {saved!r}",
                f"Use the Lucy that saved it ({versions.get('lucy')}), or train anew.",
            )


def resolve(path: Path) -> Path:
    """Find the checkpoint that a user means by a path.

    Args:
        path: As in `load`.

    Returns:
        The folder of the checkpoint, which may still be damaged.

    Raises:
        CheckpointError: There is none.
    """
    if not path.is_dir():
        raise CheckpointError(
            path,
            "a checkpoint folder",
            "it is not a folder" if path.exists() else "it does not exist",
            "Pass an existing checkpoint, or the run directory that holds it.",
        )
    if (path / DOCUMENT).exists() or _STEP_FOLDER.fullmatch(path.name):
        return path
    nested = path / "checkpoints"
    directory = nested if nested.is_dir() else path
    if found := newest(directory):
        return found
    broken = len(step_folders(directory))
    raise CheckpointError(
        path,
        f"a Lucy checkpoint with {DOCUMENT}, or a run directory with one",
        f"all {broken} checkpoints in it are broken" if broken else "there is none in it",
        "Pass a folder that `lucy train` saved.",
    )


def newest(directory: Path) -> Path | None:
    """Find the newest whole checkpoint; log a warning for each broken one that is skipped.

    Args:
        directory: The folder of the checkpoints of one run; it may be missing.

    Returns:
        Its folder, or None where no whole checkpoint is left.
    """
    for path in step_folders(directory):
        try:
            _read(path)
        except CheckpointError as error:
            _log.warning("Skipped a broken checkpoint. %s", error.fact)
        else:
            return path
    return None


def prune(directory: Path, keep_newest: int, keep_every: int, needed: Collection[str] = ()) -> None:
    """Delete old checkpoints: all but the newest, every so many-th of the others and the needed.

    Checkpoints are counted as they are saved, so one that is kept for good today is kept tomorrow.
    Folders that this version cannot read are left alone and do not count as kept.

    Args:
        directory: The folder of the checkpoints of one run.
        keep_newest: How many of the newest whole checkpoints stay, at least 1.
        keep_every: Of the older ones each M-th saved stays; 0 keeps none of them.
        needed: Names of folders that stay in any case.

    Raises:
        ValueError: `keep_newest` or `keep_every` is too small.
    """
    if keep_newest < 1 or keep_every < 0:
        raise ValueError(
            f"expected keep_newest >= 1 and keep_every >= 0, got {keep_newest} and {keep_every}"
        )
    kept = 0
    for path in step_folders(directory):
        try:
            if kept < keep_newest:
                _read(path)
                kept += 1
            elif path.name not in needed and not _is_kept_for_good(
                _read_document(path), keep_every
            ):
                _discard(path)
        except CheckpointError:
            continue  # perhaps a newer Lucy can read it: not ours to delete
        except OSError as error:  # on Windows, while another program reads it
            _log.warning("Could not delete the old checkpoint %s: %s", path, error)


def step_folders(directory: Path) -> list[Path]:
    """List what is named like a checkpoint, whole or not, the newest first.

    Args:
        directory: The folder of the checkpoints of one run; it may be missing.

    Returns:
        The folders, by falling step.
    """
    found = [
        (int(match[1]), path.name, path)
        for path in directory.glob("step-*")
        if (match := _STEP_FOLDER.fullmatch(path.name)) and path.is_dir()
    ]
    return [path for _, _, path in sorted(found, reverse=True)]


def load_policy_tensors(
    module: nn.Module, tensors: Mapping[str, Tensor], source: object = "policy tensors"
) -> None:
    """Load the parameters and buffers of a module, all of them or none.

    Args:
        module: Receives the values.
        tensors: `Checkpoint.policy`.
        source: Names the origin in errors, such as `Checkpoint.path`.

    Raises:
        CheckpointError: A tensor is missing, left over, or of another shape or type.
    """
    _check_tensors(module.state_dict(), tensors, source)
    module.load_state_dict(dict(tensors))


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Name the state of Adam after the parameters: `exp_avg.<parameter>`, `step.<parameter>`.

    Parameters without a state yet get the one that Adam would start from, so the names depend on
    the model alone. Settings such as the learning rate are not included.

    Args:
        optimizer: Adam or AdamW over parameters of the model.
        model: Gives the parameters their names.

    Returns:
        The tensors by name; they are the live ones, not copies.
    """
    return {
        name: optimizer.state.get(parameter, {}).get(key, _initial_state(parameter, key))
        for name, (parameter, key) in _optimizer_slots(optimizer, model).items()
    }


def load_optimizer_tensors(
    optimizer: torch.optim.Optimizer,
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    source: object = "optimizer tensors",
) -> None:
    """Restore what `optimizer_tensors` returned, all of it or nothing.

    Args:
        optimizer: Receives the state.
        model: Gives the parameters their names.
        tensors: `Checkpoint.optimizer`.
        source: Names the origin in errors, such as `Checkpoint.path`.

    Raises:
        CheckpointError: A tensor is missing, left over, or of another shape or type.
    """
    slots = _optimizer_slots(optimizer, model)
    expected = {name: _initial_state(parameter, key) for name, (parameter, key) in slots.items()}
    _check_tensors(expected, tensors, source)

    indices: dict[Tensor, int] = {}
    state: dict[int, dict[str, Tensor]] = {}
    for name, (parameter, key) in slots.items():
        index = indices.setdefault(parameter, len(indices))
        # load_state_dict moves all but `step`, which belongs on the CPU unless Adam is fused.
        value = tensors[name].to(expected[name].device, copy=True)
        state.setdefault(index, {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def capture_random_state(device: torch.device | None = None) -> dict[str, Any]:
    """Take the state of the global generators of Python, NumPy and PyTorch.

    Args:
        device: Where the training draws; default the CPU.

    Returns:
        JSON values for `restore_random_state`.
    """
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002 - libraries still draw from it
    legacy["state"]["key"] = legacy["state"]["key"].tolist()
    # That of its own GPU alone: another has another number when the training goes on elsewhere.
    cuda = [torch.cuda.get_rng_state(device)] if device and device.type == "cuda" else []
    return {
        "python": random.getstate(),
        "numpy": legacy,
        "torch": _to_base64(torch.get_rng_state()),
        "cuda": [_to_base64(state) for state in cuda],
    }


def restore_random_state(state: Mapping[str, Any], device: torch.device | None = None) -> None:
    """Set the global generators to what `capture_random_state` returned.

    Args:
        state: The captured state; a GPU's is left out where the training goes on without one.
        device: Where the training draws now; default the CPU.
    """
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    legacy = state["numpy"]
    key = np.array(legacy["state"]["key"], dtype=np.uint32)
    np.random.set_state({**legacy, "state": {**legacy["state"], "key": key}})  # noqa: NPY002
    torch.set_rng_state(_from_base64(state["torch"]))
    if device and device.type == "cuda" and state["cuda"]:
        torch.cuda.set_rng_state(_from_base64(state["cuda"][0]), device)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it.

    Args:
        path: The file, replaced where it exists.
        data: Its content.
    """
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_json_atomically(path: Path, data: Any) -> None:
    """Write a JSON file that other processes see in its old or its new form, never in between.

    Args:
        path: The file, replaced where it exists.
        data: Finite JSON values.

    Raises:
        ValueError: A number is not finite.
    """
    text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    temporary = path.with_name(f"{_TEMPORARY}{path.name}")
    try:
        write_durably(temporary, text.encode())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _publish(temporary: Path, final: Path) -> None:
    """Give a whole folder its final name; the one it replaces goes only after it is in place."""
    target = final.with_name(final.name + _REPLACEMENT) if final.exists() else final
    temporary.rename(target)
    _sync_folder(final.parent)
    if target != final:
        _settle(target)


def _settle(replacement: Path) -> None:
    """Let `step-N-new` take the place of `step-N`."""
    final = replacement.with_name(replacement.name.removesuffix(_REPLACEMENT))
    if final.exists():
        _discard(final)
    replacement.rename(final)
    _sync_folder(final.parent)


def _discard(path: Path) -> None:
    """Delete a checkpoint that never looks whole while it is half deleted."""
    trash = path.with_name(f"{_TEMPORARY}old-{path.name}")
    shutil.rmtree(trash, ignore_errors=True)
    path.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)  # what resists goes at the next save


def _tidy(directory: Path) -> None:
    """Finish what earlier crashes left half done."""
    for leftover in directory.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for replacement in directory.glob(f"step-*{_REPLACEMENT}"):
        _settle(replacement)


def _is_kept_for_good(document: Mapping[str, Any], keep_every: int) -> bool:
    return keep_every > 0 and document["save_index"] % keep_every == 0


def _sync_folder(path: Path) -> None:
    """Make renames in a folder durable, where the system can."""
    # Windows and some network file systems refuse to sync a folder.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read and verify all files of a checkpoint."""
    document = _read_document(path)
    optional = [name for name in (AUXILIARY, GAMES) if name in document["files"]]
    names = [POLICY, OPTIMIZER, *optional]
    files = {name: _read_file(path / name) for name in names}
    for name, data in files.items():
        listed, actual = document["files"].get(name, {"size": 0, "sha256": ""}), _fingerprint(data)
        if actual != listed:
            raise CheckpointError(
                path / name,
                f"{listed['size']} bytes with SHA-256 {listed['sha256']}",
                f"it has {actual['size']} with {actual['sha256']}: it was truncated or altered",
                _CHOOSE_ANOTHER,
            )
    return document, files


def _read_document(path: Path) -> dict[str, Any]:
    """Read and verify `checkpoint.json`."""
    file = path / DOCUMENT
    try:
        document = json.loads(_read_file(file))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            file, "the JSON of a checkpoint", f"it cannot be read ({error})", _CHOOSE_ANOTHER
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CheckpointError(
            file, f'"format": "{FORMAT}"', "it is not from a Lucy checkpoint", _CHOOSE_ANOTHER
        )
    version = document.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise CheckpointError(
            file,
            f"format version {FORMAT_VERSION} or older",
            f"it has format version {version}",
            "Upgrade Lucy: pip install --upgrade lucy-skg.",
        )
    seal = _seal({key: value for key, value in document.items() if key != "sha256"})
    if document.get("sha256") != seal:
        raise CheckpointError(
            file,
            f"content with SHA-256 {document.get('sha256')}",
            f"it has {seal}: it was altered",
            _CHOOSE_ANOTHER,
        )
    wrong = [name for name, kind in _PARTS.items() if not isinstance(document.get(name), kind)]
    if wrong:
        raise CheckpointError(file, f"the part {wrong[0]!r}", "it lacks it", _CHOOSE_ANOTHER)
    return document


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            path, "a readable file of a checkpoint", f"reading failed ({error})", _CHOOSE_ANOTHER
        ) from error


def _save_indices(directory: Path) -> list[int]:
    """List the running numbers of the saved checkpoints that are left."""
    indices = []
    for path in step_folders(directory):
        with contextlib.suppress(CheckpointError):
            indices.append(_read_document(path)["save_index"])
    return indices


def _sealed(document: Mapping[str, Any]) -> bytes:
    """Encode `checkpoint.json` with its own sum in it."""
    # A round trip first: JSON turns keys into strings, and the sum must be of what a reader gets.
    plain = json.loads(json.dumps(document, allow_nan=False))
    return json.dumps({**plain, "sha256": _seal(plain)}, indent=1).encode()


def _seal(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _fingerprint(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    # Copies, as safetensors refuses tensors that share memory, which SB3's feature extractors do.
    return safetensors.torch.save(
        {
            name: tensor.detach().to("cpu", copy=True).contiguous()
            for name, tensor in tensors.items()
        }
    )


def _from_bytes(data: bytes, device: str | torch.device) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in safetensors.torch.load(data).items()}


def _optimizer_slots(
    optimizer: torch.optim.Optimizer, model: nn.Module
) -> dict[str, tuple[nn.Parameter, str]]:
    """Map the name of each tensor of Adam's state to its parameter and its key in the state."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{key}.{names[parameter]}": (parameter, key)
        for group in optimizer.param_groups
        for parameter in group["params"]
        for key in ("step", "exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * group["amsgrad"])
    }


def _initial_state(parameter: nn.Parameter, key: str) -> Tensor:
    return torch.tensor(0.0) if key == "step" else torch.zeros_like(parameter)


def _check_tensors(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], source: object
) -> None:
    """Compare the names, shapes and types of two sets of tensors."""
    wanted = {name: _describe(tensor) for name, tensor in expected.items()}
    came = {name: _describe(tensor) for name, tensor in found.items()}
    if wanted == came:
        return
    differences = [
        f"{name} ({wanted.get(name, 'not in the model')}, found {came.get(name, 'nothing')})"
        for name in sorted(wanted.keys() | came.keys())
        if wanted.get(name) != came.get(name)
    ]
    more = f" and {len(differences) - 5} more" if len(differences) > 5 else ""
    raise CheckpointError(
        source,
        "the tensors of this model",
        f"others came: {'; '.join(differences[:5])}{more}",
        "Take the settings of network, observation and actions that the checkpoint was saved with.",
    )


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _to_base64(state: Tensor) -> str:
    return base64.b64encode(state.numpy().tobytes()).decode()


def _from_base64(text: str) -> Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
