"""A device of our own that holds values, and refuses what a GPU refuses; `main` trains on it.

Its tensors are a CPU's in a wrapper. An operator that is given one of them beside a CPU's tensor
raises an error, as on a GPU, and so does one that would wait for the device while `no_waits`
holds. PyTorch's autograd, its inference mode and its autocast treat it as any other device.
PyTorch has one such device a process, so this is a process of its own.
"""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

from lucy.agent.config import TrainConfig, change, load_preset
from lucy.agent.environment import build_env
from lucy.agent.train import train
from lucy.benchmarks import gpu, gpu_checks
from lucy.benchmarks.train import mlp_config, mlp_model

NAME = "pretended"
TASKS = (
    "reward_prediction",
    "state_representation",
    "latent_prediction",
    "successor_features",
)
SMALL = {
    "network.width": 8,
    "network.feedforward": 8,
    "environment.processes": 1,
    "environment.no_touch_timeout": 0.5,  # so that episodes end within a rollout
}

_aten = torch.ops.aten
_COPIES = {_aten._to_copy.default, _aten.copy_.default}
_WAITS = {_aten._local_scalar_dense.default, _aten.nonzero.default, _aten.masked_select.default}
# What autocast computes in bfloat16 on a GPU, and what in float32, of all that Lucy asks for
_LOWER = ("linear", "matmul", "mm", "bmm", "addmm", "baddbmm")
_HIGHER = (
    *("softmax.int", "log_softmax.int", "layer_norm", "cosine_similarity", "smooth_l1_loss"),
    *("mse_loss", "nll_loss", "cumsum", "sum", "sum.dim_IntList", "exp", "log"),
)

waiting_refused = False


class OnDevice(Tensor):
    """A tensor on the device."""

    cpu_tensor: Tensor

    @staticmethod
    def __new__(cls, cpu_tensor: Tensor) -> "OnDevice":
        """With the values of a CPU's, and in its memory."""
        made = Tensor._make_wrapper_subclass(
            cls,
            cpu_tensor.size(),
            strides=cpu_tensor.stride(),
            storage_offset=cpu_tensor.storage_offset(),
            dtype=cpu_tensor.dtype,
            device=torch.device(NAME, 0),
        )
        made.cpu_tensor = cpu_tensor
        return made

    def tolist(self) -> Any:
        """As lists; PyTorch's own has no kernel for it."""
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Compute on the CPU what may be computed on the device."""
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        _check(func, tensors, kwargs.get("device"))
        leaves = False
        if "device" in kwargs:
            leaves = torch.device(kwargs["device"] or NAME).type == "cpu"
            kwargs["device"] = torch.device("cpu")
        wrappers: dict[int, OnDevice] = {}

        def unwrap(leaf: Any) -> Any:
            if not isinstance(leaf, OnDevice):
                return leaf
            wrappers[id(leaf.cpu_tensor)] = leaf
            return leaf.cpu_tensor

        def wrap(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor) or leaves:
                return leaf
            if id(leaf) in wrappers:
                return wrappers[id(leaf)]
            # A view of what inference mode did not make is no inference tensor
            plain = func.is_view and not args[0].is_inference()
            with torch.inference_mode(torch.is_inference_mode_enabled() and not plain):
                return OnDevice(leaf)

        given, named = tree_map(unwrap, (args, kwargs))
        result = func(*given, **named)
        return args[0] if func is _aten.copy_.default else tree_map(wrap, result)


def _check(func: Any, tensors: list[Tensor], to: Any) -> None:
    """See that the device can do it.

    Args:
        func: the operator.
        tensors: that it is given.
        to: the device that it is told, if any.

    Raises:
        RuntimeError: it cannot, or is not to be waited for.
    """
    leaves = to is not None and torch.device(to).type == "cpu"
    crosses = func in _COPIES and (leaves or len({type(tensor) for tensor in tensors}) > 1)
    if waiting_refused and (func in _WAITS or crosses):
        raise RuntimeError(f"{func} waits for the device")
    if func in _COPIES:
        return
    strangers = [t.shape for t in tensors if not isinstance(t, OnDevice) and t.dim()]
    if strangers:
        raise RuntimeError(f"{func} mixes the device's tensors with the CPU's of {strangers}")


class _Backend(_DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


def _empty(size: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
    return OnDevice(torch.empty(size, dtype=dtype))


def _empty_strided(size: Any, stride: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
    return OnDevice(torch.empty_strided(size, stride, dtype=dtype))


def _lstm(frames: Tensor, start: list[Tensor], weights: list[Tensor], *settings: Any) -> Any:
    """One layer, one way: PyTorch's would call a kernel that no CPU has."""
    hidden, cell = (state[0] for state in start)
    into_gates, recurrent, *biases = weights
    seen = []
    for frame in frames:
        gates = frame @ into_gates.T + hidden @ recurrent.T + biases[0] + biases[1]
        into, keep, new, out = gates.chunk(4, dim=1)
        cell = keep.sigmoid() * cell + into.sigmoid() * new.tanh()
        hidden = out.sigmoid() * cell.tanh()
        seen.append(hidden)
    return torch.stack(seen), hidden[None], cell[None]


def _casting(func: Any, dtype: torch.dtype) -> Callable[..., Any]:
    """The operator as autocast calls it."""
    autocast = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def cast(leaf: Any) -> Any:
        float_ = isinstance(leaf, OnDevice) and leaf.dtype in (torch.float32, torch.bfloat16)
        return leaf.to(dtype) if float_ else leaf

    def called(*args: Any, **kwargs: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(autocast):
            return func(*tree_map(cast, args), **tree_map(cast, kwargs))

    return called


def register() -> list[torch.library.Library]:
    """Let PyTorch know the device, for as long as what is returned lives."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=_Backend())
    operators = torch.library.Library("aten", "IMPL")
    operators.impl("empty.memory_format", _empty, "PrivateUse1")
    operators.impl("empty_strided", _empty_strided, "PrivateUse1")
    operators.impl("lstm.input", _lstm, "AutogradPrivateUse1")
    for names, dtype in ((_LOWER, torch.bfloat16), (_HIGHER, torch.float32)):
        for name in names:
            packet, _, overload = name.partition(".")
            func = getattr(getattr(_aten, packet), overload or "default")
            operators.impl(name, _casting(func, dtype), "AutocastPrivateUse1")
    others = torch.library.Library("_", "IMPL")
    others.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    return [operators, others]


@contextlib.contextmanager
def no_waits(device: torch.device) -> Iterator[None]:
    """Within it the device refuses to be waited for."""
    global waiting_refused
    waiting_refused = True
    try:
        yield
    finally:
        waiting_refused = False


def main(part: str) -> None:
    """Fail where one part of a training cannot be done on the device, or not as on the CPU."""
    kept = register()
    device, config = torch.device(NAME, 0), load_preset("lucy-skg", SMALL)
    if part == "tasks":
        for precision in ("float32", "bf16"):
            for task in TASKS:
                print(task, precision)
                print(gpu_checks._trains(_alone(config, task), device, precision))
    if part == "others":
        small = _alone(config, None)
        with gpu_checks._learner(small, device) as model:
            model.learn(small.steps)
        league = change(small.model_dump(mode="json"), {"league.share": 0.5, "league.refresh": 1})
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            train(league, run, device=device)
            longer = league.model_copy(update={"steps": 2 * league.steps})
            print(train(longer, run, resume=True, device=device))
        shared = mlp_config("bf16", arenas=2, batch=64, seed=0)
        env = build_env(shared.environment, 0)
        mlp_model(shared, env, device).learn(128)
        env.close()
    if part == "checks":
        gpu_checks.no_waits = no_waits
        checks = gpu_checks.run(config, device)
        print(*checks, sep="\n")
        assert all(check.passed for check in checks)
    if part == "compare":
        for precision in gpu.TOLERANCE:
            update = gpu._compare(gpu_checks.small_config(config), device, precision)
            print(update)
            assert update.equal
    del kept


def _alone(config: TrainConfig, task: str | None) -> TrainConfig:
    """A small training with this task, if any, and no other."""
    small = gpu_checks.small_config(config)
    others = {other: 0.0 for other in TASKS if other != task}
    return small.model_copy(update={"auxiliary": small.auxiliary.model_copy(update=others)})


if __name__ == "__main__":
    main(sys.argv[1])
