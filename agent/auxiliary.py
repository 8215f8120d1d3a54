"""Auxiliary tasks: losses that shape the actor's embeddings beside PPO's."""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import AuxiliaryConfig, NetworkConfig
from .perceiver import CrossAttention
from .windows import WindowLSTM

WINDOW = 20  # frames that reward prediction looks at
_MEMORY = 32  # width of its LSTM
_CUMULANTS = 32
_CUMULANT_GAMMA = 0.95


class Segment(NamedTuple):
    """A piece of n agents' trajectories, L steps and the F - L frames before, embedded once."""

    query: Tensor  # [F,n,W], the actor's embedded query
    rows: Tensor  # [F,n,E,W], its embedded key/value rows
    padded: Tensor  # [F,n,E] bool
    latent: Tensor  # [L,n,W], what the actor's heads see
    observations: Tensor  # [F,n,1+E,columns]
    rewards: Tensor  # [L,n]
    age: Tensor  # [L,n] int32, steps since the episode's start


class AuxiliaryTask(nn.Module):
    """A task: `forward` takes a `Segment` and gives the mean loss, a scalar."""

    context = 0  # frames before the first step that it needs


def build_tasks(
    config: AuxiliaryConfig, network: NetworkConfig, shape: tuple[int, ...], features: int
) -> nn.ModuleDict:
    """The tasks whose weight is above 0, by name, with fresh weights.

    Args:
        config: weights and sizes.
        network: the actor's shape.
        shape: of an observation: rows, the query's among them, and columns.
        features: columns that its key/value rows fill.
    """
    rows, columns = shape
    makers = {
        "reward_prediction": lambda: RewardPrediction(network, config.reward_threshold),
        "state_representation": lambda: StateRepresentation(network, rows - 1, features),
        "latent_prediction": lambda: LatentPrediction(network, config.latent_steps),
        "successor_features": lambda: SuccessorFeatures(network, rows * columns),
    }
    return nn.ModuleDict({name: makers[name]() for name in config.weights})


class Front(nn.Module):
    """A cross-attention of a task's own over the actor's embeddings, residual and LayerNorm."""

    def __init__(self, network: NetworkConfig) -> None:
        """Of the actor's width and heads."""
        super().__init__()
        self.attention = CrossAttention(network.width, network.heads)
        self.norm = nn.LayerNorm(network.width)

    def forward(self, x: Tensor, y: Tensor, padded: Tensor) -> Tensor:
        """[F,n,W] query, [F,n,E,W] rows, [F,n,E] mask -> [F,n,W]."""
        seen = self.attention(x.flatten(0, 1), y.flatten(0, 1), padded.flatten(0, 1))
        return self.norm(x + seen.view_as(x))


class RewardPrediction(AuxiliaryTask):
    """Is a step's reward above ε, below -ε or between, from the last 20 frames?

    The frames of a segment are embedded once and serve all windows over them; frames from
    before the episode's start are zero. Source: Lucy-SKG, reward prediction; UNREAL
    (arXiv 1611.05397).
    """

    context = WINDOW - 1

    def __init__(self, network: NetworkConfig, threshold: float) -> None:
        """Predict, for an actor of this shape, against ε = `threshold`."""
        super().__init__()
        self.threshold = threshold
        self.front = Front(network)
        self.memory = WindowLSTM(network.width, _MEMORY, WINDOW)
        self.classes = nn.Linear(_MEMORY, 3)

    def labels(self, rewards: Tensor) -> Tensor:
        """0 below -ε, 1 between, 2 above ε."""
        return 1 + (rewards > self.threshold).long() - (rewards < -self.threshold).long()

    def forward(self, segment: Segment) -> Tensor:
        """Cross-entropy."""
        seen = self.front(segment.query, segment.rows, segment.padded)
        logits = self.classes(self.memory(seen, segment.age)).float()
        return functional.cross_entropy(
            logits.flatten(0, 1), self.labels(segment.rewards).flatten()
        )


class StateRepresentation(AuxiliaryTask):
    """Rebuild the key/value rows from an eighth of the width.

    Layers of W, W/4, W/8, W/4, W, 4W and 4W, BatchNorm and ReLU between, the last linear
    since features can be negative. Source: Lucy-SKG, state representation.
    """

    def __init__(self, network: NetworkConfig, entities: int, features: int) -> None:
        """Rebuild so many rows of so many features, for an actor of this shape."""
        super().__init__()
        self.features = features
        self.front = Front(network)
        width = network.width
        sizes = [width, width, width // 4, max(width // 8, 1), width // 4, width, *[4 * width] * 2]
        layers: list[nn.Module] = []
        for size, following in itertools.pairwise(sizes):
            layers += [nn.Linear(size, following), nn.BatchNorm1d(following), nn.ReLU()]
        self.autoencoder = nn.Sequential(*layers, nn.Linear(sizes[-1], entities * features))

    def forward(self, segment: Segment) -> Tensor:
        """Smooth L1."""
        steps = len(segment.age)
        embedded = (segment.query, segment.rows, segment.padded)
        seen = self.front(*(frames[-steps:] for frames in embedded))
        rebuilt = self.autoencoder(seen.flatten(0, 1))
        rows = segment.observations[-steps:, :, 1:, : self.features]
        return functional.smooth_l1_loss(rebuilt.float(), rows.float().flatten(2).flatten(0, 1))


class LatentPrediction(AuxiliaryTask):
    """Tell the actor's latent k steps ahead from today's, by their cosine.

    The latent ahead is a target only: no gradient flows into it. Source: predictive
    auxiliary objectives, arXiv 2310.06089.
    """

    def __init__(self, network: NetworkConfig, steps: int) -> None:
        """Predict k = `steps` ahead, for an actor of this shape."""
        super().__init__()
        self.steps = steps
        self.predict = _two_layers(network.width, network.width)

    def forward(self, segment: Segment) -> Tensor:
        """1 - cosine, over the pairs of steps within an episode."""
        ahead = segment.latent[self.steps :].detach()
        likeness = functional.cosine_similarity(
            self.predict(segment.latent[: -self.steps]).float(), ahead.float(), dim=2
        )
        return _mean(1 - likeness, segment.age[self.steps :] >= self.steps)


class SuccessorFeatures(AuxiliaryTask):
    """Tell how often random features of the observation will be seen, discounted.

    ψ(s) = (1-γ) φ(s') + γ ψ(s') for φ = 1[Wo > b] with random W and b; the right side is a
    target only. Source: proto-value networks, arXiv 2304.12567.
    """

    features: Tensor
    thresholds: Tensor

    def __init__(self, network: NetworkConfig, size: int) -> None:
        """Predict for an actor of this shape, with observations of so many numbers."""
        super().__init__()
        self.register_buffer("features", torch.randn(size, _CUMULANTS) / size**0.5)
        self.register_buffer("thresholds", torch.randn(_CUMULANTS) * 0.1)
        self.predict = _two_layers(network.width, _CUMULANTS)

    def forward(self, segment: Segment) -> Tensor:
        """Smooth L1 of the temporal difference, over the steps that an episode goes on after."""
        predicted = self.predict(segment.latent).float()
        following = segment.observations[-len(segment.age) + 1 :].flatten(2)
        seen = (following @ self.features > self.thresholds).float()
        target = (1 - _CUMULANT_GAMMA) * seen + _CUMULANT_GAMMA * predicted[1:].detach()
        error = functional.smooth_l1_loss(predicted[:-1], target, reduction="none")
        return _mean(error.mean(dim=2), segment.age[1:] > 0)


def _two_layers(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs))


def _mean(errors: Tensor, counted: Tensor) -> Tensor:
    return (errors * counted).sum() / counted.sum().clamp(min=1)
