"""A single query's attention over few rows, as one pass over each sample where that pays."""

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor


def attend(query: Tensor, rows: Tensor, padded: Tensor, scale: float) -> Tensor:
    """softmax(scale * q·yᵀ) y, for every head's own query over the same rows.

    Args:
        query: [H,B,W], each head's query, already turned into the rows' space.
        rows: [B,E,W], at least one of them not padded.
        padded: [B,E] bool, rows that weigh nothing.
        scale: of the scores.

    Returns:
        [H,B,W], what each head sees.
    """
    if query.device.type == "cpu":
        return _Attend.apply(query, rows, padded, scale)  # type: ignore[no-any-return]
    return by_products(query, rows, padded, scale)


def by_products(query: Tensor, rows: Tensor, padded: Tensor, scale: float) -> Tensor:
    """`attend` by matrix products, on any device."""
    scores = query.transpose(0, 1) @ rows.transpose(1, 2) * scale
    scores = scores.masked_fill(padded[:, None], float("-inf"))
    return (scores.softmax(dim=-1).to(rows.dtype) @ rows).transpose(0, 1)


class _Attend(torch.autograd.Function):
    """On a CPU the products are too small for a matrix library, which takes 6 times as long."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx: Any, query: Tensor, rows: Tensor, padded: Tensor, scale: float) -> Tensor:
        query, rows = query.contiguous(), rows.contiguous()
        weights = query.new_empty(query.shape[0], *rows.shape[:2])
        seen = torch.empty_like(query)
        inputs = query.numpy(), rows.numpy(), padded.numpy()
        attend_kernel(*inputs, np.float32(scale), weights.numpy(), seen.numpy())
        ctx.save_for_backward(query, rows, weights)
        ctx.scale = scale
        return seen

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        query, rows, weights = ctx.saved_tensors
        to_query, to_rows = torch.empty_like(query), torch.empty_like(rows)
        gradient = gradients[0].contiguous()
        inputs = query.numpy(), rows.numpy(), weights.numpy(), gradient.numpy()
        _attend_backward(*inputs, np.float32(ctx.scale), to_query.numpy(), to_rows.numpy())
        return to_query, to_rows, None, None


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def attend_kernel(query, rows, padded, scale, weights, seen):
    """The forward pass; `weights` [H,B,E] receives the softmax."""
    width = query.shape[2]
    for b in range(rows.shape[0]):
        for h in range(query.shape[0]):
            highest = np.float32(-np.inf)
            for e in range(rows.shape[1]):
                if not padded[b, e]:
                    score = np.float32(0)
                    for i in range(width):
                        score += query[h, b, i] * rows[b, e, i]
                    weights[h, b, e] = score * scale
                    highest = max(highest, weights[h, b, e])
            total = np.float32(0)
            for e in range(rows.shape[1]):
                if padded[b, e]:
                    weights[h, b, e] = 0
                else:
                    weights[h, b, e] = np.exp(weights[h, b, e] - highest)
                total += weights[h, b, e]
            for i in range(width):
                seen[h, b, i] = 0
            for e in range(rows.shape[1]):
                weights[h, b, e] /= total
                weight = weights[h, b, e]
                for i in range(width):
                    seen[h, b, i] += weight * rows[b, e, i]


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _attend_backward(query, rows, weights, gradient, scale, to_query, to_rows):
    """The gradient of `seen` [H,B,W] -> those of query and rows."""
    width = query.shape[2]
    to_weights = np.empty(rows.shape[1], np.float32)
    for b in range(rows.shape[0]):
        to_rows[b] = 0
        for h in range(query.shape[0]):
            mean = np.float32(0)
            for e in range(rows.shape[1]):
                to_weight = np.float32(0)
                for i in range(width):
                    to_weight += gradient[h, b, i] * rows[b, e, i]
                to_weights[e] = to_weight
                mean += to_weight * weights[h, b, e]
            to_query[h, b] = 0
            for e in range(rows.shape[1]):
                weight = weights[h, b, e]
                to_score = weight * (to_weights[e] - mean) * scale
                for i in range(width):
                    to_query[h, b, i] += to_score * rows[b, e, i]
                    to_rows[b, e, i] += to_score * query[h, b, i] + weight * gradient[h, b, i]
