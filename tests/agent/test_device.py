"""A device that cannot be used is found before the training, with its cause."""

import shutil
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

from lucy.agent.config import ConfigError
from lucy.agent.device import parse_device

UNSUPPORTED = "CUDA error: no kernel image is available for execution on the device\nCompile with"
FULL = "CUDA out of memory. Tried to allocate 2.00 MiB. GPU 1 has 79 GiB of which none is free.\n"
OLD_DRIVER = "CUDA initialization: The NVIDIA driver on your system is too old (found 11040)."


class Gpus:
    """Two of them, the first computing what it is asked to, or failing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
        """Stand in for those of PyTorch."""
        self.current: list[torch.device] = []
        self.error = error
        ones = torch.ones

        def compute(*size: int, device: torch.device) -> torch.Tensor:
            if device.type != "cuda":
                return ones(*size, device=device)
            if self.error is not None:
                raise self.error
            return ones(*size)

        stand_ins: dict[str, Callable[..., Any]] = {
            "is_available": lambda: True,
            "init": lambda: None,
            "device_count": lambda: 2,
            "set_device": self.current.append,
        }
        for name, stand_in in stand_ins.items():
            monkeypatch.setattr(torch.cuda, name, stand_in)
        monkeypatch.setattr(torch, "ones", compute)


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has none, whatever this one has."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.mark.usefixtures("without_gpu")
def test_without_a_gpu_there_is_nothing_to_say(caplog: pytest.LogCaptureFixture) -> None:
    assert parse_device("auto") == parse_device("cpu") == torch.device("cpu")
    assert not caplog.records


@pytest.mark.parametrize("name", ["warp", "", "meta", "cuda:-1"])
def test_what_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="use --device auto or --device cpu") as refusal:
        parse_device(name)
    assert f"cannot use device {name!r}: " in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_gpu_is_taken_where_it_computes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gpus = Gpus(monkeypatch)
    assert parse_device("auto") == torch.device("cuda")
    assert not gpus.current
    assert parse_device("cuda:1") == torch.device("cuda:1")
    assert gpus.current == [torch.device("cuda:1")]
    assert not caplog.records


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RuntimeError(UNSUPPORTED), "no kernel image is available for execution on the device"),
        (torch.OutOfMemoryError(FULL), "CUDA out of memory. Tried to allocate 2.00 MiB"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_a_gpu_that_cannot_compute(
    error: Exception,
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gpus = Gpus(monkeypatch, error)
    with pytest.raises(ConfigError, match=r"cannot use device 'cuda:1'.*2 CUDA device") as refusal:
        parse_device("cuda:1")
    assert cause in str(refusal.value) and "\n" not in str(refusal.value)
    assert gpus.current
    assert parse_device("auto") == torch.device("cpu")
    (line,) = caplog.messages
    assert line.startswith("The GPU is not used, but the CPU: ") and cause in line
    assert "\n" not in line


def test_what_is_warned_of_a_gpu_is_part_of_the_cause(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gpus = Gpus(monkeypatch)
    monkeypatch.setattr(torch.cuda, "init", lambda: warnings.warn("sm_37 is slow\n", stacklevel=1))
    assert parse_device("auto") == torch.device("cuda")
    assert caplog.messages == ["sm_37 is slow"]
    gpus.error = RuntimeError(UNSUPPORTED)
    assert parse_device("auto") == torch.device("cpu")
    assert caplog.messages[1].endswith("on the device; sm_37 is slow.")


def test_a_driver_that_is_too_old(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def is_available() -> bool:
        warnings.warn(OLD_DRIVER, stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    assert parse_device("auto") == torch.device("cpu")
    assert caplog.messages == [f"The GPU is not used, but the CPU: {OLD_DRIVER}"]


@pytest.mark.usefixtures("without_gpu")
def test_a_gpu_that_pytorch_is_not_built_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    for version, said in ((None, 1), ("13.0", 1)):  # with the second it is hidden on purpose
        monkeypatch.setattr(torch.version, "cuda", version)
        monkeypatch.setattr(torch.version, "hip", None)
        assert parse_device("auto") == torch.device("cpu")
        assert len(caplog.messages) == said
    assert "is built for the CPU alone; install one for CUDA" in caplog.messages[0]
