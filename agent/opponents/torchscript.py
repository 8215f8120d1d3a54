"""Reads the tensors of a TorchScript archive as data: nothing in it is ever run.

Such an archive is a zip: `NAME/data.pkl` is a pickle that describes the module, `NAME/data/0`,
`1`, … are its tensors' bytes, `NAME/code/` its program. The pickle is read by a small machine of
our own that knows a few opcodes and builds nothing but plain values; the program is not read.
"""

import io
import math
import pickletools
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

MAX_FILE_BYTES = 64 * 2**20
MAX_UNPACKED_BYTES = 128 * 2**20
_MAX_ENTRIES = 1000
_MAX_PICKLE_BYTES = 2**20
_MAX_VALUES = 20_000  # met on the way through the module; values may be shared, even in rings
_MAX_DEPTH = 50
_MAX_AXES = 8
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_TENSOR = "torch._utils _rebuild_tensor_v2"
_FLOATS = "torch FloatStorage"
_LISTS = {f"torch.jit._pickle build_{kind}list" for kind in ("int", "double", "bool")}
_TAGGED = "torch.jit._pickle restore_type_tag"
_ORDERED = "collections OrderedDict"
_GLOBALS = {_TENSOR, _FLOATS, _TAGGED, _ORDERED} | _LISTS


class ArchiveError(ValueError):
    """No TorchScript archive, or one that is not to be trusted; the message says why."""


class TensorEntry(NamedTuple):
    """Where a float32 tensor lies in its archive."""

    storage: str
    offset: int  # in values
    shape: tuple[int, ...]


class TorchScriptArchive:
    """The tensors of a scripted or traced module."""

    def __init__(self, data: bytes) -> None:
        """Read what there is, but no tensor's bytes yet.

        Args:
            data: the whole file.

        Raises:
            ArchiveError: it is no TorchScript archive, or one that claims what none would.
        """
        if not data.startswith(b"PK"):
            pickled = data.startswith(b"\x80") or data.endswith(b".")
            raise ArchiveError(
                "it is a pickle, which could run code when it is loaded, and no TorchScript archive"
                if pickled
                else "it is no zip archive, as TorchScript files are"
            )
        with _reasons("it is damaged", _ZIP_ERRORS):
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self._entries = _checked_entries(self._zip.infolist())
        if "data.pkl" not in self._entries or "constants.pkl" not in self._entries:
            raise ArchiveError(
                "it lacks data.pkl or constants.pkl: it is no TorchScript archive (torch.jit.save) "
                "of PyTorch 1.4 or newer"
            )
        order = self._read("byteorder", 16) if "byteorder" in self._entries else b"little"
        if order.strip() != b"little" or sys.byteorder != "little":
            raise ArchiveError("its numbers are not little-endian")
        module = _Machine().run(self._read("data.pkl", _MAX_PICKLE_BYTES))
        self.tensors: dict[str, TensorEntry] = dict(_tensors(module))
        stored = {name.removeprefix("data/") for name in self._entries if name.startswith("data/")}
        unused = sorted(stored - {entry.storage for entry in self.tensors.values()})
        if unused:
            raise ArchiveError(f"it holds data that no tensor uses: {_few(unused)}")

    def read(self, name: str) -> np.ndarray:
        """One tensor, float32.

        Raises:
            ArchiveError: its bytes are missing, damaged, or too few.
        """
        entry = self.tensors[name]
        key = f"data/{entry.storage}"
        if not re.fullmatch(r"\w{1,20}", entry.storage) or key not in self._entries:
            raise ArchiveError(f"{name} names {entry.storage[:50]!r}, which is not in the archive")
        count = math.prod(entry.shape)
        values = np.frombuffer(self._read(key, MAX_UNPACKED_BYTES), np.uint8)
        if len(values) % 4 or entry.offset + count > len(values) // 4:
            raise ArchiveError(f"{name} should have {count} values, more than its data holds")
        floats = values.view("<f4")[entry.offset : entry.offset + count]
        return floats.reshape(entry.shape).astype(np.float32)

    def _read(self, name: str, limit: int) -> bytes:
        info = self._entries[name]
        if info.file_size > limit:
            raise ArchiveError(f"its {name} takes {info.file_size} bytes, more than {limit}")
        with _reasons("it is damaged", _ZIP_ERRORS), self._zip.open(info) as file:
            return file.read(info.file_size + 1)[: info.file_size]


def _checked_entries(infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Entries by their names inside the archive's one folder."""
    if len(infos) > _MAX_ENTRIES:
        raise ArchiveError(f"it has {len(infos)} entries, more than {_MAX_ENTRIES}")
    unpacked = sum(info.file_size for info in infos)
    if unpacked > MAX_UNPACKED_BYTES:
        raise ArchiveError(
            f"it would unpack to {unpacked:,} bytes, more than {MAX_UNPACKED_BYTES:,}: a zip bomb"
        )
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        path = PurePosixPath(info.filename)
        # orig_filename is what the archive says before Python cleans it
        if path.is_absolute() or ".." in path.parts or re.search(r"[\\:\0]", info.orig_filename):
            raise ArchiveError(f"its entry {info.orig_filename[:80]!r} leaves the archive")
        if info.flag_bits & 1 or info.compress_type not in _COMPRESSIONS:
            raise ArchiveError(f"its entry {info.filename[:80]!r} is encrypted or packed unusually")
        entries["/".join(path.parts[1:])] = info
    folders = {PurePosixPath(info.filename).parts[:1] for info in infos}
    if len(entries) < len(infos) or len(folders) != 1:
        raise ArchiveError("its entries do not lie in one folder, each once")
    return entries


@contextmanager
def _reasons(what: str, errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Turn errors of reading into `ArchiveError`."""
    try:
        yield
    except ArchiveError:
        raise
    except errors as error:
        raise ArchiveError(f"{what} ({str(error)[:100] or type(error).__name__})") from error


_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, LookupError),
    *(ValueError, OverflowError, RuntimeError, MemoryError),
)
_PICKLE_ERRORS = (
    *(ValueError, TypeError, LookupError, AttributeError),
    *(OverflowError, RecursionError, MemoryError),
)


class _Global(NamedTuple):
    """A name that the pickle refers to; never imported."""

    name: str


class _Module(NamedTuple):
    """An object of the archive's program: its attributes, as far as they are filled in."""

    attributes: dict[str, Any]


class _Storage(NamedTuple):
    """The bytes of tensors."""

    key: str


class _Machine:
    """Runs the pickle opcodes that TorchScript writes, on plain values."""

    def run(self, data: bytes) -> Any:
        """What the pickle describes.

        Raises:
            ArchiveError: another opcode or name, or a pickle that makes no sense.
        """
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        with _reasons("its data.pkl makes no sense", _PICKLE_ERRORS):
            for opcode, argument, _ in pickletools.genops(data):
                step = _OPCODES.get(opcode.name)
                if step is None:
                    raise ArchiveError(
                        f"its data.pkl has the pickle opcode {opcode.name}, which TorchScript "
                        "does not write"
                    )
                step(self, argument)
            (value,) = self._stack
        return value

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        if self._marks and len(self._stack) <= self._marks[-1]:
            raise ValueError("stack underflow")
        return self._stack.pop()

    def mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def pop_mark(self) -> list[Any]:
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def put(self, key: int) -> None:
        self._memo[key] = self._stack[-1]

    def get(self, key: int) -> None:
        self.push(self._memo[key])

    def name(self, name: str) -> None:
        if name not in _GLOBALS and not name.startswith("__torch__"):
            raise ArchiveError(
                f"its data.pkl refers to {name[:80]!r}, which TorchScript files of these bots "
                "do not"
            )
        self.push(_Global(name))

    def tuple(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def set_items(self, pairs: list[Any]) -> None:
        target = self._stack[-1]
        # Other keys could be tuples nested so deep that hashing them overflows the stack
        if not isinstance(target, dict) or not all(isinstance(key, str) for key in pairs[::2]):
            raise TypeError("items for what is no dictionary of names")
        target.update(zip(pairs[::2], pairs[1::2], strict=True))

    def append(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise TypeError("elements for what is no list")
        target.extend(values)

    def new_object(self, _: Any) -> None:
        arguments, kind = self.pop(), self.pop()
        if not isinstance(kind, _Global) or kind.name in _GLOBALS or arguments != ():
            raise TypeError("an object of no class of the archive's")
        self.push(_Module({}))

    def build(self, _: Any) -> None:
        attributes, target = self.pop(), self._stack[-1]
        if not isinstance(target, _Module) or not isinstance(attributes, dict):
            raise TypeError("attributes for what is no object")
        target.attributes.update(attributes)

    def storage(self, _: Any) -> None:
        tag, kind, key, _, _ = self.pop()
        if tag != "storage" or not isinstance(kind, _Global) or not isinstance(key, str):
            raise TypeError("data that is no storage")
        if kind.name != _FLOATS:
            raise ArchiveError(f"it has a tensor of {kind.name[:50]!r}: expected float32 only")
        self.push(_Storage(key))

    def call(self, _: Any) -> None:
        """The few functions that TorchScript's pickles call, as what they amount to."""
        arguments, function = self.pop(), self.pop()
        match function:
            case _Global(name=name) if name == _TENSOR:
                self.push(_tensor(*arguments))
            case _Global(name=name) if name == _ORDERED and arguments == ():
                self.push({})
            case _Global(name=name) if name in _LISTS or name == _TAGGED:
                self.push(arguments[0])
            case _:
                raise TypeError("a call of what is no function")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> TensorEntry:
    numbers = [offset, *shape, *strides]
    if not isinstance(storage, _Storage) or any(type(n) is not int or n < 0 for n in numbers):
        raise TypeError("a tensor without a place")
    if len(shape) > _MAX_AXES or math.prod(shape) > MAX_UNPACKED_BYTES:
        raise ArchiveError(f"it has a tensor of shape {str(shape)[:80]}, oversized")
    for axis, (length, stride) in enumerate(zip(shape, strides, strict=True)):
        if length > 1 and stride != math.prod(shape[axis + 1 :]):
            raise ArchiveError("it has a tensor that does not lie row after row")
    return TensorEntry(storage.key, offset, tuple(shape))


_OPCODES: dict[str, Any] = {
    "PROTO": lambda machine, _: None,
    "STOP": lambda machine, _: None,
    "MARK": _Machine.mark,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.name,
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_mark())),
    "TUPLE1": lambda machine, _: machine.tuple(1),
    "TUPLE2": lambda machine, _: machine.tuple(2),
    "TUPLE3": lambda machine, _: machine.tuple(3),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "SETITEM": lambda machine, _: machine.set_items([machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_mark()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "APPEND": lambda machine, _: machine.append([machine.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.pop_mark()),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"), _Machine.push
    ),
    "NEWOBJ": _Machine.new_object,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.storage,
    "REDUCE": _Machine.call,
}


def _tensors(module: Any) -> Iterator[tuple[str, TensorEntry]]:
    """All tensors of a module by the names of the attributes that lead to them."""
    if not isinstance(module, _Module):
        raise ArchiveError("its data.pkl describes no module")
    pending: list[tuple[tuple[str, ...], Any]] = [((), module)]
    met = 0
    while pending:
        path, value = pending.pop()
        if isinstance(value, TensorEntry):
            yield ".".join(path), value
            continue
        children = _children(value)
        met += len(children)
        if met > _MAX_VALUES or len(path) >= _MAX_DEPTH:
            raise ArchiveError("its module is nested beyond what any bot's is")
        pending += [((*path, str(key)), child) for key, child in children]


def _children(value: Any) -> list[tuple[Any, Any]]:
    match value:
        case _Global() | _Storage():
            return []
        case _Module(attributes=attributes):
            return list(attributes.items())
        case dict():
            return list(value.items())
        case list() | tuple():
            return list(enumerate(value))
    return []


def _few(names: list[str]) -> str:
    shown = ", ".join(name[:60] for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
