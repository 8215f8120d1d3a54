"""`LucyPolicy`: two Perceivers, actor and critic, as a Stable-Baselines3 policy."""

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from ..sim.actions import ActionTable
from ..sim.observations import N_FEATURES
from .config import NetworkConfig
from .distribution import PackedMultiCategorical
from .perceiver import Perceiver, Rows, split


class ActorCritic(nn.Module):
    """The two networks between observation and heads, nothing shared."""

    def __init__(self, network: NetworkConfig, query_features: int, row_features: int) -> None:
        """Build both with the same shape."""
        super().__init__()
        self._row_features = row_features
        self.latent_dim_pi = self.latent_dim_vf = network.width
        shape = network.model_dump(exclude={"initial_odds"})
        features = (query_features, row_features)
        self.actor, self.critic = Perceiver(*features, **shape), Perceiver(*features, **shape)

    def split(self, observations: Tensor) -> Rows:
        """[B,rows,columns], taken apart."""
        return split(observations, self._row_features)

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """[B,rows,columns] -> actor's and critic's [B,width]."""
        rows = self.split(observations)
        return self.actor(rows), self.critic(rows)

    def forward_actor(self, observations: Tensor) -> Tensor:
        """[B,rows,columns] -> [B,width]."""
        return self.actor(self.split(observations))

    def forward_critic(self, observations: Tensor) -> Tensor:
        """[B,rows,columns] -> [B,width]."""
        return self.critic(self.split(observations))


class _AsIs(BaseFeaturesExtractor):
    """Stable-Baselines3's default would flatten the rows."""

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        super().__init__(observation_space, features_dim=1)

    def forward(self, observations: Tensor) -> Tensor:
        return observations


class PlainPolicy(ActorCriticPolicy):
    """Takes observations in the precision that they come in.

    Stable-Baselines3 would copy bfloat16 to float32 at every look, and back for the layers.
    """

    def extract_features(self, obs: Tensor, features_extractor: Any = None) -> Tensor:  # type: ignore[override]
        """What actor and critic get of observations [B,...]: all of them."""
        return obs

    def get_distribution(self, obs: Tensor) -> Distribution:  # type: ignore[override]
        """Of the actions, for observations [B,...]."""
        latent = self.mlp_extractor.forward_actor(self.extract_features(obs))
        return self._get_action_dist_from_latent(latent)

    def predict_values(self, obs: Tensor) -> Tensor:  # type: ignore[override]
        """[B,1], for observations [B,...]."""
        return self.value_net(self.mlp_extractor.forward_critic(self.extract_features(obs)))


class LucyPolicy(PlainPolicy):
    """The published actor-critic: a linear head of multi-discrete logits and one of the value."""

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        network: NetworkConfig,
        action_table: ActionTable,
        row_features: int = N_FEATURES,
        **kwargs: Any,
    ) -> None:
        """Build with fresh weights.

        Args:
            observation_space: of one of Lucy's observations, [rows,columns].
            action_space: multi-discrete.
            lr_schedule: learning rate by remaining progress.
            network: shape of the Perceivers, and the odds that a fresh policy starts with.
            action_table: what the heads are called.
            row_features: columns that an observation's key/value rows fill; default Lucy's.
            kwargs: of `ActorCriticPolicy`; Stable-Baselines3 fills them in.
        """
        self.network, self.row_features = network, row_features
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            **(kwargs | {"features_extractor_class": _AsIs, "ortho_init": False}),
        )
        # Small weights: at first every observation meets (almost) the same odds
        head = self.action_net
        assert isinstance(head, nn.Linear)
        nn.init.orthogonal_(head.weight, gain=0.01)
        with torch.no_grad():
            head.bias.copy_(torch.tensor(_initial_odds(network, action_table)).log())

    def _build_mlp_extractor(self) -> None:
        assert isinstance(self.action_space, spaces.MultiDiscrete)
        self.action_dist = PackedMultiCategorical(self.action_space.nvec.tolist())
        shape = self.observation_space.shape
        assert shape is not None
        features = (shape[1] - 1, self.row_features)
        self.mlp_extractor = ActorCritic(self.network, *features)  # pyright: ignore[reportAttributeAccessIssue]

    def evaluate_segment(
        self, observations: Tensor, actions: Tensor
    ) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]:
        """`evaluate_actions`, and on the way what auxiliary tasks learn from.

        Args:
            observations: [F,n,rows,columns] frames.
            actions: [L,n,heads], of the last L of them.

        Returns:
            Values, log-probabilities and entropies [L*n]; and the actor's embedded query
            [F,n,W] and rows [F,n,E,W], their mask [F,n,E], and its latents [L,n,W].
        """
        (frames, agents), steps = observations.shape[:2], len(actions)
        networks = self.mlp_extractor
        rows = networks.split(observations.flatten(0, 1))
        x, y = networks.actor.embed(rows)
        latest = slice((frames - steps) * agents, None)
        latent = networks.actor.attend(x[latest], y[latest], rows.padded[latest])
        distribution = self._get_action_dist_from_latent(latent)
        log_prob = distribution.log_prob(actions.flatten(0, 1))
        entropy = distribution.entropy()
        assert entropy is not None
        values = self.value_net(networks.critic(Rows(*(part[latest] for part in rows))))
        embedded = tuple(part.unflatten(0, (frames, agents)) for part in (x, y, rows.padded))
        return (values, log_prob, entropy), (*embedded, latent.unflatten(0, (steps, agents)))  # type: ignore[return-value]

    def action_logits(self, observations: Tensor) -> Tensor:
        """Unnormalised log-odds of every head's choices: [B,rows,columns] -> [B,sum(nvec)]."""
        with torch.no_grad():
            return self.action_net(self.mlp_extractor.forward_actor(observations))


def _initial_odds(network: NetworkConfig, table: ActionTable) -> list[float]:
    odds: list[float] = []
    for head, choices in zip(table.heads, table.nvec.tolist(), strict=True):
        odds += network.initial_odds[head] if head in network.initial_odds else [1.0] * choices
    return odds
