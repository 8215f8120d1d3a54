"""One network, trained by several threads: each takes pieces of a minibatch."""

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)
Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Replicas(Generic[Network]):
    """Copies of a network that share its weights and have gradients of their own.

    PyTorch releases the GIL inside its operators, so threads of one operator thread each
    use several cores where the operators are too small to be split themselves. Which
    piece goes to which copy, and the order of the sums, is fixed.
    """

    def __init__(self, network: Network, threads: int, skip: Sequence[Any] = ()) -> None:
        """Copy.

        Args:
            network: the original, one of the copies itself.
            threads: how many copies; with 1 the calling thread does the work.
            skip: objects inside the network that the copies do without.
        """
        self.networks = [network]
        for _ in range(threads - 1):
            twin = copy.deepcopy(network, {id(thing): None for thing in skip})
            for own, shared in zip(twin.parameters(), network.parameters(), strict=True):
                own.data = shared.data
            self.networks.append(twin)
        self._pool = ThreadPoolExecutor(threads, "lucy-learner", torch.set_num_threads, (1,))

    def map(
        self, work: Callable[[Network, Piece], Result], pieces: Sequence[Piece]
    ) -> list[Result]:
        """The results of all pieces, in their order."""
        copies = len(self.networks)
        if copies == 1:
            return [work(self.networks[0], piece) for piece in pieces]

        def run(index: int) -> list[Result]:
            return [work(self.networks[index], piece) for piece in pieces[index::copies]]

        shares = list(self._pool.map(run, range(copies)))
        return [shares[i % copies][i // copies] for i in range(len(pieces))]

    def sum_gradients(self) -> None:
        """Move the gradients of all copies into the original."""
        for network in self.networks[1:]:
            pairs = zip(self.networks[0].parameters(), network.parameters(), strict=True)
            for original, twin in pairs:
                if twin.grad is not None and original.grad is not None:
                    original.grad += twin.grad
                elif twin.grad is not None:
                    original.grad = twin.grad
                twin.grad = None

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()
