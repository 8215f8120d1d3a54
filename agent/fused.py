"""A policy's networks for a CPU, each a kernel.

In PyTorch the fifty operators of a step's small batch cost more to call than to compute, and
those of a large one take memory and give it back.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .network_kernel import Affine, Blocks, Embedding, Weights, draw, forward
from .perceiver import Perceiver
from .policy import LucyPolicy

Logits = Callable[[np.ndarray], np.ndarray]
"""Observations [B,rows,columns] -> unnormalised log-odds of every head's choices [B,choices]."""


class FusedNetwork:
    """A Perceiver and its linear head, with the weights that they have when this is made.

    Computes in float32. A row's result does not depend on the other rows, to the bit.
    """

    def __init__(self, perceiver: Perceiver, head: nn.Module) -> None:
        """Copy the weights, from whatever device they are on."""
        self._weights = Weights(
            _embedding(perceiver.embed_query),
            _embedding(perceiver.embed_rows),
            _stack([_block(block) for block in perceiver.blocks]),
            _linear(head),
        )

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """[B,rows,columns] -> [B,K], as many as the head has outputs."""
        # One type of array, as the kernel is compiled for each
        seen = np.require(observations, np.float32, ["C", "A", "W"])
        output = np.empty((len(seen), len(self._weights.head.bias)), np.float32)
        forward(self._weights, seen, output)
        return output


class FusedActor:
    """Draws actions as a `LucyPolicy` does with the weights that it has when this is made."""

    def __init__(self, policy: LucyPolicy) -> None:
        """Copy the actor's weights."""
        self._logits = FusedNetwork(policy.mlp_extractor.actor, policy.action_net)
        self._choices = np.array(policy.action_dist.action_dims, np.int64)

    def __call__(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Draw, with the numbers of PyTorch's generator that the policy would draw.

        Args:
            observations: [B,rows,columns] on the CPU.

        Returns:
            Actions [B,heads] int64 and their log-probabilities [B].
        """
        logits = self._logits(observations.numpy())
        uniform = torch.rand(len(logits), len(self._choices))
        actions = torch.empty(uniform.shape, dtype=torch.int64)
        log_probs = torch.empty(len(logits))
        draw(logits, self._choices, uniform.numpy(), actions.numpy(), log_probs.numpy())
        return actions, log_probs


def logits_of(policy: LucyPolicy) -> Logits:
    """What a policy makes of arrays, by the weights that it has now."""
    if policy.device.type == "cpu":
        return FusedNetwork(policy.mlp_extractor.actor, policy.action_net)

    def logits(observations: np.ndarray) -> np.ndarray:
        return policy.action_logits(torch.from_numpy(observations).to(policy.device)).cpu().numpy()

    return logits


def _array(tensor: Tensor) -> np.ndarray:
    return np.array(tensor.detach().float().cpu(), np.float32, order="C")


def _linear(layer: Any) -> Affine:
    return Affine(_array(layer.weight.T), _array(layer.bias))


def _norm(layer: Any) -> Affine:
    return Affine(_array(layer.weight), _array(layer.bias))


def _embedding(layers: nn.Sequential) -> Embedding:
    inner, _, outer, _, norm = layers
    return Embedding(_linear(inner), _linear(outer), _norm(norm))


def _block(block: Any) -> Blocks:
    """Without the axis that counts blocks."""
    attention, (inner, _, outer) = block.attention, block.feedforward
    by_head = (attention.heads, attention.size, -1)
    return Blocks(
        _linear(attention.query),
        _array(attention.key.weight.view(by_head)),
        _array(attention.value.weight.view(by_head).transpose(1, 2)),
        _array(attention.value.bias),
        _linear(attention.output),
        _norm(block.attention_norm),
        _linear(inner),
        _linear(outer),
        _norm(block.feedforward_norm),
    )


def _stack(parts: list[Any]) -> Any:
    """Equal trees of arrays as one, whose arrays have a first axis more."""
    if isinstance(parts[0], np.ndarray):
        return np.stack(parts)
    return type(parts[0])(*(_stack(list(alike)) for alike in zip(*parts, strict=True)))
