"""`lucy bots import`: weights come in, code does not."""

import hashlib
import io
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from lucy.agent.cli import main
from lucy.agent.errors import LucyError
from lucy.agent.opponents import bot_files, make_bot
from lucy.agent.opponents.bot_files import BotFileError, import_bot, load_weights
from lucy.agent.opponents.scripted import ChaserBot
from lucy.agent.opponents.torchscript import ArchiveError, TorchScriptArchive

from .archives import Canary, Published, changed, pickle_of, torchscript
from .fuzz_archives import fuzz_archives

Entries = dict[str, bytes]
OWN = ("random", "idle", "chaser", "striker", "lucy", "past")


@pytest.fixture(scope="session")
def necto() -> bytes:
    torch.manual_seed(3)
    return torchscript(Published())


@pytest.fixture(scope="session")
def nexto() -> bytes:
    torch.manual_seed(4)
    return torchscript(Published(nexto=True))


@pytest.fixture(autouse=True)
def bots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bots"
    monkeypatch.setenv("LUCY_BOTS", str(folder))
    return folder


def imported(tmp_path: Path, archive: bytes, name: str = "own-model.pt") -> bot_files.Imported:
    (tmp_path / name).write_bytes(archive)
    return import_bot(tmp_path / name)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("kind", ["necto", "nexto"])
def test_an_archive_gives_the_weights_and_the_network(
    kind: str, traced: bool, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    module = Published(nexto=kind == "nexto").eval()
    done = imported(tmp_path, torchscript(module, traced=traced))
    assert (done.name, done.architecture) == ("own-model", kind)
    assert (done.known_file, done.known_weights) == (None, None)
    weights = load_weights(done.path)
    state = module.net.state_dict()
    assert set(weights.tensors) == set(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(weights.tensors[name], tensor.numpy())
    observations = torch.randn(7, 38, 33, generator=torch.Generator().manual_seed(0))
    observations[..., 32] = 0  # no padding
    network = bot_files.ARCHITECTURES[kind]()
    network.load_state_dict({name: torch.from_numpy(a) for name, a in weights.tensors.items()})
    with torch.inference_mode():
        np.testing.assert_allclose(network(observations), module(observations), atol=2e-4)
    assert make_bot("own-model").name == "own-model"


def test_the_published_weights_are_known_in_any_file(opponents: Path, tmp_path: Path) -> None:
    for name in bot_files.PUBLISHED:
        done = import_bot(opponents / f"{name}.safetensors")
        assert (done.name, done.known_file, done.known_weights) == (name, None, name)
    module = Published()
    tensors = safetensors.numpy.load_file(opponents / "necto-30y.safetensors")
    module.net.load_state_dict({key: torch.from_numpy(array) for key, array in tensors.items()})
    done = imported(tmp_path, torchscript(module))
    assert (done.name, done.known_weights) == ("necto-30y", "necto-30y")


def test_the_hash_of_a_published_file_is_known(
    necto: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bot_files.KNOWN_FILES, hashlib.sha256(necto).hexdigest(), "necto-10y")
    done = imported(tmp_path, necto)
    assert (done.name, done.known_file) == ("necto-10y", "necto-10y")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("necto", r"not those of the published 'necto'.*another with --name"),
        ("../up", r"'../up' cannot be a bot's name: expected lower-case letters"),
        ("a:b", r"'a:b' cannot be a bot's name"),
        ("Chaser", r"'Chaser' cannot be a bot's name: expected lower-case letters"),
        *((own, rf"'{own}' cannot be a bot's name: it is one of Lucy's own") for own in OWN),
        ("con", r"'con' cannot be a bot's name: Windows keeps it for a device"),
        ("lpt1.x", r"'lpt1.x' cannot be a bot's name: Windows"),
    ],
)
def test_names_that_a_bot_cannot_have(
    name: str, message: str, necto: bytes, tmp_path: Path, bots: Path
) -> None:
    (tmp_path / "model.pt").write_bytes(necto)
    with pytest.raises(BotFileError, match=message):
        import_bot(tmp_path / "model.pt", name)
    assert not bots.exists()


@pytest.mark.parametrize("file", ["chaser.pt", "Idle.pt", "LUCY.pt"])
def test_a_file_does_not_give_a_name_of_lucys_own(
    file: str, necto: bytes, tmp_path: Path, bots: Path
) -> None:
    with pytest.raises(BotFileError, match=r"one of Lucy's own; give one with --name"):
        imported(tmp_path, necto, file)
    assert not bots.exists()


def test_a_name_that_is_taken_keeps_its_bot(
    necto: bytes, nexto: bytes, tmp_path: Path, bots: Path
) -> None:
    first = imported(tmp_path, necto, "one.pt")
    before = first.path.read_bytes()
    assert imported(tmp_path, necto, "ONE.pt").path == first.path  # the same bot again
    (tmp_path / "two.pt").write_bytes(nexto)
    with pytest.raises(BotFileError, match=r"one\.safetensors: another bot has this name already"):
        import_bot(tmp_path / "two.pt", "one")
    first.path.rename(bots / "One.safetensors")
    with pytest.raises(BotFileError, match=r"One\.safetensors: another bot has this name already"):
        import_bot(tmp_path / "two.pt", "one")
    assert (bots / "One.safetensors").read_bytes() == before
    (bots / "One.safetensors").unlink()
    assert import_bot(tmp_path / "two.pt", "one").architecture == "nexto"


def test_files_in_the_folder_that_no_name_means(
    necto: bytes,
    tmp_path: Path,
    bots: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weights = imported(tmp_path, necto).path.read_bytes()
    for name in ("chaser", "Striker", "Twice", "twice", "a:b", "necto", "Mine"):
        (bots / f"{name}.safetensors").write_bytes(weights)
    assert set(bot_files.installed_bots()) == {"own-model", "necto", "mine"}
    assert isinstance(make_bot("chaser"), ChaserBot)
    assert make_bot("mine").name == "mine"
    with pytest.raises(LucyError, match=r"2 files here are 'twice' in some case; rename one"):
        make_bot("twice")
    with pytest.raises(LucyError, match=r"not those of the published 'necto'.*rename the file"):
        make_bot("necto:beta=0.5")  # by which ratings would be measured
    monkeypatch.setattr(sys, "argv", ["lucy", "bots", "list"])
    with pytest.raises(SystemExit):
        main()
    out = " ".join(capsys.readouterr().out.split())
    assert "chaser.safetensors ? never plays: 'chaser' is a name of Lucy's own" in out
    assert "Striker.safetensors ? never plays" in out
    assert "a:b.safetensors ? never plays: what follows a colon" in out


def _add(name: str, content: bytes = b"\0" * 64) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        entries[name] = content

    return change


def _drop(ending: str) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        for name in [name for name in entries if name.endswith(ending)]:
            del entries[name]

    return change


def _in_pickle(old: bytes, new: bytes) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        (name,) = (name for name in entries if name.endswith("/data.pkl"))
        assert old in entries[name]
        entries[name] = entries[name].replace(old, new, 1)

    return change


def _text(value: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value


def _cut_pickle(entries: Entries) -> None:
    (name,) = (name for name in entries if name.endswith("/data.pkl"))
    entries[name] = entries[name][:-1]


def _short_tensor(entries: Entries) -> None:
    name = max((name for name in entries if "/data/" in name), key=lambda n: len(entries[n]))
    entries[name] = entries[name][:-8]


CHANGES = {
    "no module's pickle": (_drop("/data.pkl"), r"lacks data.pkl or constants.pkl"),
    "of torch.save": (_drop("/constants.pkl"), r"no TorchScript archive \(torch.jit.save\)"),
    "data without a tensor": (_add("archive/data/999"), r"data that no tensor uses: 999"),
    "a path that leaves": (_add("archive/../../up"), r"'archive/../../up' leaves the archive"),
    "an absolute path": (_add("/etc/up"), r"'/etc/up' leaves the archive"),
    "a drive": (_add("archive/C:\\up"), r"leaves the archive"),
    "two folders": (_add("other/data/1"), r"do not lie in one folder"),
    "a tensor's data missing": (_drop("/data/0"), r"names '0', which is not in the archive"),
    "a tensor's data short": (_short_tensor, r"more than its data holds"),
    "another storage's path": (
        _in_pickle(_text(b"0"), _text(b"../../../secret")),
        r"which is not in the archive|no tensor uses",
    ),
    "an import": (
        _in_pickle(b"ctorch._utils\n_rebuild_tensor_v2\n", b"cos\nsystem\n"),
        r"refers to 'os system'",
    ),
    "doubles": (
        _in_pickle(b"ctorch\nFloatStorage\n", b"ctorch\nDoubleStorage\n"),
        r"refers to 'torch DoubleStorage'",
    ),
    "an opcode": (_in_pickle(b"\x80\x02", b"\x80\x02\x94"), r"pickle opcode MEMOIZE"),
    "cut short": (_cut_pickle, r"data.pkl makes no sense \(pickle exhausted before seeing STOP"),
    "big-endian": (_add("archive/byteorder", b"big"), r"not little-endian"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_spoilt_archives(case: str, necto: bytes, tmp_path: Path, bots: Path) -> None:
    change, message = CHANGES[case]
    spoilt = changed(necto, change)
    with pytest.raises(BotFileError, match=message):
        imported(tmp_path, spoilt)
    assert not bots.exists()


def test_a_pickle_is_refused_and_never_loaded(tmp_path: Path, bots: Path) -> None:
    canary = tmp_path / "ran"
    for data in (pickle.dumps(Canary(canary)), pickle.dumps(Canary(canary), protocol=0)):
        with pytest.raises(BotFileError, match=r"a pickle, which could run code .* no TorchScript"):
            imported(tmp_path, data)
    file = io.BytesIO()
    torch.save({"weights": Canary(canary)}, file)
    with pytest.raises(BotFileError, match=r"no TorchScript archive \(torch.jit.save\)"):
        imported(tmp_path, file.getvalue())
    assert not canary.exists()
    assert not bots.exists()


def test_a_hostile_pickle_inside_an_archive_is_never_loaded(necto: bytes, tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    for protocol in range(5):
        hostile = pickle.dumps(Canary(canary), protocol)
        spoilt = changed(necto, lambda entries, h=hostile: entries.update({pickle_of(necto): h}))
        with pytest.raises(BotFileError, match=r"data.pkl (refers to|has the pickle opcode)"):
            imported(tmp_path, spoilt)
        # Nor is one where the program's constants lie, which are not read at all
        imported(tmp_path, changed(necto, _add("archive/constants.pkl", hostile)))
    assert not canary.exists()


def _module(kind: str) -> Published:
    module = Published(nexto=kind == "actions")
    if kind == "extra":
        module.net.earl.extra = torch.nn.Linear(2, 2)
    elif kind == "missing":
        module.net.output = torch.nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    elif kind == "oversized":
        module.net.output.linear = torch.nn.Linear(128, 4096)
    elif kind == "actions":
        module.net.output.actions = module.net.output.actions * 2
    elif kind == "doubles":
        module.double()
    elif kind == "not finite":
        module.net.output.linear.bias.data[3] = float("nan")
    return module


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("extra", r"of Necto's 18 tensors it has 'earl.extra.bias' and 1 more besides"),
        ("missing", r"of Necto's 18 tensors it lacks 'output.linear.bias' and 1 more"),
        ("oversized", r"output.linear.\w+ is \[4096.*\]: expected \[12"),
        ("actions", r"output.actions are not the 90 published actions"),
        ("doubles", r"refers to 'torch DoubleStorage'"),
        ("not finite", r"output.linear.bias holds values that are not finite"),
    ],
)
def test_archives_of_other_modules(kind: str, message: str, tmp_path: Path, bots: Path) -> None:
    with pytest.raises(BotFileError, match=message):
        imported(tmp_path, torchscript(_module(kind)))
    assert not bots.exists()


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"archive/data/{number}", bytes(10 * 2**20))
    assert len(file.getvalue()) < 2**20
    with pytest.raises(BotFileError, match=r"unpack to 209,715,200 bytes, .* a zip bomb"):
        imported(tmp_path, file.getvalue())


def test_an_entry_that_lies_about_its_size(necto: bytes, tmp_path: Path) -> None:
    """The directory says a few bytes, the data unpack to many."""
    bomb = bytearray(changed(necto, lambda entries: None))
    name = pickle_of(necto).encode()
    at = bomb.rindex(name) - 46  # the directory's record of it
    bomb[at + 24 : at + 28] = struct.pack("<I", 10)
    with pytest.raises(BotFileError, match=r"it is damaged|makes no sense"):
        imported(tmp_path, bytes(bomb))


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_files, "MAX_FILE_BYTES", 1000)
    with pytest.raises(BotFileError, match=r"it has 1,001 bytes: expected at most 1,000"):
        imported(tmp_path, bytes(1001))


def test_files_that_cannot_be_read_or_written(
    necto: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BotFileError, match=r"cannot be read \(No such file.*such as necto-model"):
        import_bot(tmp_path / "missing.pt")
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("LUCY_BOTS", str(tmp_path / "file" / "bots"))
    with pytest.raises(BotFileError, match=r"cannot be written .*set LUCY_BOTS"):
        imported(tmp_path, necto)
    with pytest.raises(BotFileError, match=r"it is no safetensors file"):
        imported(tmp_path, necto, "model.safetensors")


MARK, STOP = b"(", b"."
OBJECT = b"c__torch__\nM\n)\x81"
HOSTILE = {
    "nested tuples": b"\x80\x02" + b")" + b"\x85" * 500_000 + STOP,
    "nested tuples as a name": b"\x80\x02}" + b")" + b"\x85" * 500_000 + b"Ns" + STOP,
    "nested lists": b"\x80\x02" + OBJECT + b"}" + _text(b"a") + b"]" * 1000 + b"a" * 999 + b"sb.",
    "a ring": b"\x80\x02" + OBJECT + b"q\x00}" + _text(b"self") + b"h\x00sb" + STOP,
    "doubling": (
        b"\x80\x02"
        + OBJECT
        + b"}"
        + _text(b"a")
        + b")q\x00"
        + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(60))
        + b"sb."
    ),
    "a large list, many times": (
        b"\x80\x02"
        + OBJECT
        + b"}("
        + _text(b"a")
        + b"]("
        + b"N" * 100_000
        + b"eq\x00"
        + b"".join(_text(b"%d" % n) + b"h\x00" for n in range(20_000))
        + b"ub."
    ),
    "many axes": (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(("
        + _text(b"storage")
        + b"ctorch\nFloatStorage\n"
        + _text(b"0")
        + _text(b"cpu")
        + b"K\x01tQK\x00("
        + b"K\x02" * 100_000
        + b"t("
        + b"K\x01" * 100_000
        + b"t\x89NtR."
    ),
    "nothing": b"",
    "an underflow": b"\x80\x02(0.",
    "a mark too few": b"\x80\x02t.",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_pickles_that_would_take_memory_or_time(case: str, necto: bytes) -> None:
    spoilt = changed(necto, lambda entries: entries.update({pickle_of(necto): HOSTILE[case]}))
    with pytest.raises(ArchiveError, match=r"data.pkl|nested beyond|oversized"):
        TorchScriptArchive(spoilt)


def test_mutated_archives(necto: bytes, nexto: bytes, tmp_path: Path) -> None:
    outcomes = fuzz_archives([necto, nexto], 400, seed=0, folder=tmp_path)
    assert sum(outcomes.values()) == 400
    assert outcomes["refused"] > 200
    assert outcomes["read"] > 20  # a changed weight is a weight


def test_commands(
    necto: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "my-model.pt").write_bytes(necto)

    def lucy(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["lucy", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code in (0, None), capsys.readouterr()
        return " ".join(capsys.readouterr().out.split())

    out = lucy("bots", "import", str(tmp_path / "my-model.pt"))
    assert "Imported as my-model" in out
    assert "unknown: the weights are of Necto's shape, by someone else" in out
    out = lucy("bots", "list")
    assert "my-model necto of someone's own" in out
    assert "striker none" in out
    assert "nexto nexto missing: lucy bots import its file" in out
