"""Real TorchScript archives of Necto-like and Nexto-like modules, and ways to spoil them."""

import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from lucy.sim.actions import ACTION_TABLES


class _Block(nn.Module):
    """Of a published network: `nn.MultiheadAttention` and what is around it."""

    __constants__ = ("norms",)

    def __init__(self, inner: int, norms: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(128, 4, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(128, inner), nn.Linear(inner, 128)
        self.norms = norms
        if norms:
            self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(128) for _ in range(3))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        if self.norms:
            z = self.norm2(y)
            x = x + self.attention(self.norm1(x), z, z)[0]
            return x + self.linear2(self.linear1(self.norm3(x)).relu())
        x = x + self.attention(x, y, y)[0]
        return x + self.linear2(self.linear1(x).relu())


class _Earl(nn.Module):
    def __init__(self, blocks: int, inner: int, norms: bool) -> None:
        super().__init__()
        self.query_preprocess, self.key_value_preprocess = (
            nn.Sequential(nn.Linear(n, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
            for n in (32, 24)
        )
        self.blocks = nn.ModuleList(_Block(inner, norms) for _ in range(blocks))

    def forward(self, observations: Tensor) -> Tensor:
        x = self.query_preprocess(observations[:, :1, :32])
        y = self.key_value_preprocess(observations[:, 1:, :24])
        for block in self.blocks:
            x = block(x, y)
        return x[:, 0]


class _Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.splits = [3, 3, 2, 2, 2]
        self.linear = nn.Linear(128, 12)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


class _Dot(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.actions = torch.from_numpy(ACTION_TABLES["lookup"].controls)
        self.net = nn.Sequential(
            *(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32)),
            nn.ReLU(),
        )
        self.emb_convertor = nn.Linear(128, 32)

    def forward(self, x: Tensor) -> Tensor:
        return self.emb_convertor(x) @ self.net(self.actions).T


class _Net(nn.Module):
    def __init__(self, nexto: bool) -> None:
        super().__init__()
        self.earl = _Earl(2, 512, True) if nexto else _Earl(1, 256, False)
        self.output = _Dot() if nexto else _Heads()

    def forward(self, observations: Tensor) -> Tensor:
        return self.output(self.earl(observations).relu())


class Published(nn.Module):
    """Named as the published files are: everything under `net`."""

    def __init__(self, nexto: bool = False) -> None:
        super().__init__()
        self.net = _Net(nexto)

    def forward(self, observations: Tensor) -> Tensor:
        return self.net(observations)


def torchscript(module: nn.Module, *, traced: bool = False) -> bytes:
    """The archive that `torch.jit.save` writes of a module."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and says so often
        example = torch.zeros(1, 38, 33)
        torch.jit.save(
            torch.jit.trace(module, example) if traced else torch.jit.script(module), file
        )
    return file.getvalue()


def changed(archive: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The archive with other entries: `change` gets their contents by name."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        entries = {info.filename: file.read(info) for info in file.infolist()}
    change(entries)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return out.getvalue()


def pickle_of(archive: bytes) -> str:
    """The name of its data.pkl."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return next(name for name in file.namelist() if name.endswith("/data.pkl"))


class Canary:
    """Its pickle, when loaded, creates a file: the sign that code was run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")
