"""Weights of Necto and Nexto: the folder where they lie, and how they come to be there."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy
from platformdirs import user_data_path
from safetensors import SafetensorError

from ...sim.actions import ACTION_TABLES
from ..checkpoint import write_durably
from ..errors import LucyError
from .networks import NectoNetwork, NextoNetwork
from .own_bots import RESERVED
from .torchscript import MAX_FILE_BYTES, ArchiveError, TorchScriptArchive

SUFFIX = ".safetensors"
ARCHITECTURES = {"necto": NectoNetwork, "nexto": NextoNetwork}
_TABLE = "output.actions"  # Nexto's archive holds its 90 actions too

KNOWN_FILES = {
    "137f94924afb0402af7ae9f12b7f2d7e47adff962afad4dbed7bf864c34c542b": "necto",
    "fa3b91627ec176874c1cc59c6c3ec4f2918380611dad557dd16dfc0d9094d4bf": "necto-10y",
    "d0285f2ccce90dc3225d11b83b8729a89b6085f0f2433fdc9cca0c3146913632": "necto-20y",
    "537675bf4adb7dd4c9be06e2f430816be069684ee5fdd06b44a4bd08baaafb79": "necto-30y",
    "bf5343b5eeacac6bf7cdb75dac4a5c14ba0f94d820eae75f00a211b6119d69fa": "nexto",
}
"""SHA-256 of the published files, and of which bot each is."""

KNOWN_WEIGHTS = {
    "747e0f0780634f08ce32e2f03f16c9dd484bba6c013364752adf0e7c40c9676f": "necto",
    "b416b78720ea11e525e0443d0276b9bf87fd8fdeca0851762c407f4a7d21a658": "necto-10y",
    "83af909907f7ee96f7cc0c39cac0291e61f7147f1c8dbe8a132d8c8e48df858f": "necto-20y",
    "f44f89484a4a02fb509189eba18c865b41e696b35f4592c123fb82f701717279": "necto-30y",
    "f7085f62a7ab8d5c9003ec9b75d8be0c45f64de52f56cf729bf7a636652f230e": "nexto",
}
"""`weights_sha256` of the published tensors, in whatever file they come."""

PUBLISHED = tuple(KNOWN_WEIGHTS.values())
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


class BotFileError(LucyError):
    """A bot's weights cannot be read or kept; the message says why and what to do."""


class BotWeights(NamedTuple):
    """The tensors of a bot, checked against the network that they are of."""

    architecture: str  # a key of ARCHITECTURES
    tensors: dict[str, np.ndarray]
    known: str | None  # which published bot's they are


class Imported(NamedTuple):
    """What `import_bot` did."""

    name: str
    path: Path
    architecture: str
    known_file: str | None  # which published bot's file it was, by its hash
    known_weights: str | None  # and by its tensors alone
    sha256: str  # of the file


def bots_folder() -> Path:
    """Where bots' weights lie: LUCY_BOTS, or `bots` in the user's data folder."""
    named = os.environ.get("LUCY_BOTS")
    return Path(named) if named else user_data_path("lucy", appauthor=False) / "bots"


def installed_bots() -> dict[str, Path]:
    """The bots in the folder by name; whether they can be read shows when one is."""
    refused = refused_files()
    return {path.stem.lower(): path for path in _files() if path not in refused}


def refused_files() -> dict[Path, str]:
    """The files in the folder that no name means, and why."""
    files, refused = _files(), {}
    often = Counter(path.stem.lower() for path in files)
    for path in files:
        name = path.stem.lower()
        if name in RESERVED:
            refused[path] = f"{name!r} is a name of Lucy's own; rename the file"
        elif often[name] > 1:
            refused[path] = f"{often[name]} files here are {name!r} in some case; rename one"
        elif ":" in name:
            refused[path] = "what follows a colon are a bot's options; rename the file"
    return refused


def _files() -> list[Path]:
    return sorted(bots_folder().glob(f"*{SUFFIX}"))


def load_weights(path: Path) -> BotWeights:
    """The weights of a file in the bots folder.

    Raises:
        BotFileError: it cannot be read, or is of no network that is known.
    """
    return _from_safetensors(path, _read(path))


def import_bot(path: Path, name: str | None = None) -> Imported:
    """Copy a bot's weights into the bots folder, without running what the file holds.

    Args:
        path: `necto-model.pt`, `nexto-model.pt` or another TorchScript or safetensors file of
            one of their networks.
        name: to play it by; default the published bot's, or else the file's.

    Raises:
        BotFileError: the file is not to be trusted or of another network, or the name is no
            good, another bot's, or a published one's that this is not.
    """
    data = _read(path)
    sha256 = hashlib.sha256(data).hexdigest()
    read = _from_safetensors if path.suffix == SUFFIX else _from_torchscript
    weights = read(path, data)
    name = name or KNOWN_FILES.get(sha256) or weights.known or path.stem.lower()
    _check_name(name)
    if name != KNOWN_FILES.get(sha256):
        check_published(path, name, weights)
    target = installed_bots().get(name, bots_folder() / f"{name}{SUFFIX}")
    if target.exists() and not _holds(target, weights):
        raise BotFileError(
            f"{target}: another bot has this name already, and games of it are kept by it: give "
            "this one another with --name, or delete that file first"
        )
    _write(target, safetensors.numpy.save(weights.tensors, {"sha256_of_source": sha256}))
    return Imported(
        name, target, weights.architecture, KNOWN_FILES.get(sha256), weights.known, sha256
    )


def check_published(path: Path, name: str, weights: BotWeights) -> None:
    """See that a published bot's name means that bot.

    Raises:
        BotFileError: the weights of this file are others.
    """
    if name in PUBLISHED and weights.known != name:
        raise BotFileError(
            f"{path}: its weights are not those of the published {name!r}, so they cannot have "
            "that name: ratings stand on it; give another with --name, or rename the file"
        )


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,63}", name):
        why = "expected lower-case letters, digits, '-', '_' and '.'"
    elif name in RESERVED:
        why = "it is one of Lucy's own"
    elif _DEVICES.fullmatch(name):
        why = "Windows keeps it for a device"
    else:
        return
    raise BotFileError(f"{name!r} cannot be a bot's name: {why}; give one with --name")


def _holds(path: Path, weights: BotWeights) -> bool:
    try:
        return weights_sha256(load_weights(path).tensors) == weights_sha256(weights.tensors)
    except BotFileError:
        return False


def weights_sha256(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the tensors' float32 bytes, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(np.ascontiguousarray(tensors[name], "<f4").tobytes())
    return digest.hexdigest()


def _from_safetensors(path: Path, data: bytes) -> BotWeights:
    try:
        tensors = safetensors.numpy.load(data)
    except (SafetensorError, KeyError, ValueError, TypeError, MemoryError) as error:
        raise _unusable(path, f"it is no safetensors file ({str(error)[:100]})") from error
    kinds = {str(tensor.dtype) for tensor in tensors.values()} - {"float32"}
    if kinds:
        raise _unusable(path, f"it has tensors of {', '.join(sorted(kinds))}: expected float32")
    return _checked(path, tensors)


def _from_torchscript(path: Path, data: bytes) -> BotWeights:
    try:
        archive = TorchScriptArchive(data)
        shapes = {name: entry.shape for name, entry in archive.tensors.items()}
        # Before any tensor is read: a claimed shape costs nothing yet
        _check_shapes(path, {name.removeprefix("net."): shape for name, shape in shapes.items()})
        tensors = {name.removeprefix("net."): archive.read(name) for name in shapes}
    except ArchiveError as error:
        raise _unusable(path, str(error)) from error
    return _checked(path, tensors)


def _checked(path: Path, tensors: dict[str, np.ndarray]) -> BotWeights:
    architecture = _check_shapes(path, {name: array.shape for name, array in tensors.items()})
    table = tensors.pop(_TABLE, None)
    if table is not None and not np.array_equal(table, ACTION_TABLES["lookup"].controls):
        raise _unusable(path, f"its {_TABLE} are not the 90 published actions")
    broken = sorted(name for name, array in tensors.items() if not np.isfinite(array).all())
    if broken:
        raise _unusable(path, f"{broken[0]} holds values that are not finite")
    return BotWeights(architecture, tensors, KNOWN_WEIGHTS.get(weights_sha256(tensors)))


def _check_shapes(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The network that tensors of these shapes are of."""
    nexto = any(name.startswith("output.emb_convertor") for name in shapes)
    architecture = "nexto" if nexto else "necto"
    wanted = _shapes(architecture)
    allowed = wanted | ({_TABLE: ACTION_TABLES["lookup"].controls.shape} if nexto else {})
    missing = sorted(set(wanted) - set(shapes))
    extra = sorted(set(shapes) - set(allowed))
    if missing or extra:
        found = f"lacks {_some(missing)}" if missing else f"has {_some(extra)} besides"
        raise _unusable(path, f"of {architecture.title()}'s {len(wanted)} tensors it {found}")
    for name, shape in shapes.items():
        if shape != allowed[name]:
            raise _unusable(path, f"{name} is {list(shape)}: expected {list(allowed[name])}")
    return architecture


@cache
def _shapes(architecture: str) -> dict[str, tuple[int, ...]]:
    network = ARCHITECTURES[architecture]()
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0][:80]!r}{rest}"


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise _unusable(path, f"it has {size:,} bytes: expected at most {MAX_FILE_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise BotFileError(
            f"{path}: cannot be read ({error.strerror}); expected a bot's weights, such as "
            "necto-model.pt"
        ) from error


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_durably(temporary, data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise BotFileError(
            f"{path}: cannot be written ({error.strerror}); set LUCY_BOTS to a folder that can"
        ) from error


def _unusable(path: Path, reason: str) -> BotFileError:
    return BotFileError(
        f"{path}: expected the weights of Necto or Nexto, but {reason}. Nothing of it was run or "
        "kept; get the bot's own file, such as necto-model.pt, from RLBotPack"
    )
