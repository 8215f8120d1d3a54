"""An LSTM over the window of frames up to each step, every frame projected once."""

from typing import Any

import torch
from torch import Tensor, nn

from .device import autocast


class WindowLSTM(nn.Module):
    """An LSTM from zero over the K frames up to each step, every frame projected once."""

    def __init__(self, width: int, memory: int, window: int) -> None:
        """For frames of `width`, K = `window` of them at a time."""
        super().__init__()
        self.window = window
        self.project = nn.Linear(width, 4 * memory, bias=False)
        self.recurrent = nn.Parameter(torch.empty(4 * memory, memory))
        self.bias = nn.Parameter(torch.zeros(4 * memory))
        nn.init.uniform_(self.recurrent, -(memory**-0.5), memory**-0.5)

    def forward(self, frames: Tensor, age: Tensor) -> Tensor:
        """The memory after each step's window.

        Args:
            frames: [K-1+L,n,width].
            age: [L,n], how many frames before a step are of its episode; earlier ones count
                as zero.

        Returns:
            [L,n,memory].
        """
        if frames.device.type != "cpu":
            return self.as_library(frames, age)
        projected = self.project(frames).float()
        with autocast(frames.device, bf16=False):
            return _Windows.apply(projected, age, self.recurrent, self.bias, self.window)  # type: ignore[no-any-return]

    def as_library(self, frames: Tensor, age: Tensor) -> Tensor:
        """The same by PyTorch's LSTM, which cuDNN computes; see `forward`.

        It projects a frame once for each window, which costs a GPU less than the launches of
        a dozen kernels for each step of the recurrence.
        """
        with autocast(frames.device, bf16=False):
            windows = frames.float().unfold(0, self.window, 1).permute(3, 0, 1, 2)
            seen = windows.flatten(1, 2) * _within(age, self.window)
            start = seen.new_zeros(1, seen.shape[1], self.recurrent.shape[1])
            hidden = torch.lstm(
                *(seen, (start, start), self._library_weights()),
                *(True, 1, 0.0, True, False, False),  # biases, one layer, training, one way
            )[0]
            return hidden[-1].view(*age.shape, -1)

    def _library_weights(self) -> list[Tensor]:
        """In its order of gates, and where cuDNN looks for them."""
        own = (self.project.weight, self.recurrent, self.bias, torch.zeros_like(self.bias))
        ordered = []
        for weights in own:
            into, keep, out, new = weights.chunk(4)
            ordered.append(torch.cat([into, keep, new, out]))
        if _cudnn_takes(ordered[0]):
            _lay_out(ordered)
        return ordered


def _cudnn_takes(weights: Tensor) -> bool:
    flattens = torch._use_cudnn_rnn_flatten_weight()  # pyright: ignore[reportPrivateImportUsage]
    return flattens and torch.backends.cudnn.is_acceptable(weights)


def _lay_out(weights: list[Tensor]) -> None:
    """Move an LSTM's weights into one piece of memory, as far apart as cuDNN wants them.

    From elsewhere it would copy them at every call, with a warning.
    """
    gates, width = weights[0].shape
    with torch.no_grad():  # they keep what they were made of
        torch._cudnn_rnn_flatten_weight(  # pyright: ignore[reportPrivateImportUsage]
            *(weights, len(weights), width, torch.backends.cudnn.rnn.get_cudnn_mode("LSTM")),
            *(gates // 4, 0, 1, False, False),  # no projection, one layer, time first, one way
        )


class _Windows(torch.autograd.Function):
    """The recurrence by hand: autograd would make a whole gradient of the frames each time.

    Gates lie side by side: input, forget, output, and what is new.
    """

    @staticmethod
    def forward(
        ctx: Any, projected: Tensor, age: Tensor, recurrent: Tensor, bias: Tensor, window: int
    ) -> Tensor:
        steps, agents = age.shape
        size = recurrent.shape[1]
        gates = projected.new_empty(window, steps * agents, 4 * size)
        cells = projected.new_zeros(window + 1, steps * agents, size)
        squashed, hiddens = torch.empty_like(cells), torch.zeros_like(cells)
        within = _within(age, window).to(gates.dtype)
        biased = bias.expand_as(gates[0]).contiguous()
        for k in range(window):
            gate = gates[k]
            torch.addcmul(biased, projected[k : k + steps].view_as(gate), within[k], out=gate)
            gate.addmm_(hiddens[k], recurrent.T)
            into, keep, out, new = gate.split(size, dim=1)
            gate[:, : 3 * size].sigmoid_()
            new.tanh_()
            torch.mul(keep, cells[k], out=cells[k + 1]).addcmul_(into, new)
            torch.tanh(cells[k + 1], out=squashed[k + 1])
            torch.mul(out, squashed[k + 1], out=hiddens[k + 1])
        ctx.save_for_backward(age, recurrent, gates, cells, squashed, hiddens)
        return hiddens[-1].view(steps, agents, size).clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        age, recurrent, gates, cells, squashed, hiddens = ctx.saved_tensors
        window, size = len(gates), recurrent.shape[1]
        steps, agents = age.shape
        within = _within(age, window).to(gates.dtype)
        to_projected = gates.new_zeros(window - 1 + steps, agents, 4 * size)
        to_gates = torch.empty_like(gates)
        to_hidden = gradients[0].reshape(-1, size).contiguous()
        to_cell = torch.zeros_like(to_hidden)
        for k in range(window - 1, -1, -1):
            to_frames = to_projected[k : k + steps].view_as(to_gates[k])
            given = gates[k], cells[k], squashed[k + 1], to_hidden, within[k]
            _step_back(*given, to_cell, to_gates[k], to_frames)
            to_hidden = to_gates[k] @ recurrent
        flat = to_gates.flatten(0, 1)
        to_recurrent = flat.T @ hiddens[:-1].flatten(0, 1)
        return to_projected, None, to_recurrent, flat.sum(dim=0), None


def _within(age: Tensor, window: int) -> Tensor:
    """Whether the k-th frame of each step's window is of its episode: [K,L*n,1]."""
    back = torch.arange(window - 1, -1, -1, device=age.device)
    return (age.flatten() >= back[:, None])[..., None]


def _step_back(
    gate: Tensor,
    cell: Tensor,
    squashed: Tensor,
    to_hidden: Tensor,
    within: Tensor,
    to_cell: Tensor,
    to_gate: Tensor,
    to_frames: Tensor,
) -> None:
    """One step of the gradient, backwards in time.

    Args:
        gate: [M,4*size] of this step.
        cell: [M,size] before it.
        squashed: [M,size], tanh of the cell after it.
        to_hidden: [M,size], gradient of what it put out.
        within: [M,1], 1 where its frame counts.
        to_cell: [M,size], gradient of the cell after it; becomes that of the one before.
        to_gate: [M,4*size], overwritten.
        to_frames: [M,4*size], added to.
    """
    into, keep, out, new = gate.split(gate.shape[1] // 4, dim=1)
    to_cell.addcmul_(to_hidden * out, 1 - squashed.square())
    parts = (
        to_cell * new * (into - into.square()),
        to_cell * cell * (keep - keep.square()),
        to_hidden * squashed * (out - out.square()),
        to_cell * into * (1 - new.square()),
    )
    torch.cat(parts, dim=1, out=to_gate)
    to_cell *= keep
    to_frames.addcmul_(to_gate, within)
