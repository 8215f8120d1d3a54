"""Necto's and Nexto's networks, from their published description.

Both let the player's own row (the query) attend to ball, cars and pads (key/value rows). The
modules are named as in the published files, so that their tensors fit by name.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...sim.actions import ACTION_TABLES
from ...sim.observations.entities import ACTION, MASK
from ..attention import attend

WIDTH = 128
HEADS = 4
SIZE = WIDTH // HEADS  # of a head
N_FEATURES = ACTION  # of a key/value row
N_QUERY_FEATURES = MASK  # the query's previous action besides
NECTO_HEADS = (3, 3, 2, 2, 2)  # throttle and pitch, steer, jump, boost, handbrake


class NectoNetwork(nn.Module):
    """Necto: one block without norms, and five heads of 3, 3, 2, 2 and 2 choices."""

    def __init__(self) -> None:
        """Build with fresh weights."""
        super().__init__()
        self.earl = _Perceiver(1, _NectoBlock)
        self.output = nn.ModuleDict({"linear": nn.Linear(WIDTH, sum(NECTO_HEADS))})

    def forward(self, observations: Tensor) -> Tensor:
        """Necto's observations [B,rows,33] -> logits [B,12], head after head."""
        return self.output["linear"](self.earl(observations).relu())


class NextoNetwork(nn.Module):
    """Nexto: two blocks with norms; an action's logit is its embedding times the player's."""

    def __init__(self) -> None:
        """Build with fresh weights."""
        super().__init__()
        self.earl = _Perceiver(2, _NextoBlock)
        net = [nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32)]
        self.output = nn.ModuleDict(
            {"emb_convertor": nn.Linear(WIDTH, 32), "net": nn.Sequential(*net, nn.ReLU())}
        )
        self._actions = torch.from_numpy(ACTION_TABLES["lookup"].controls)

    def forward(self, observations: Tensor) -> Tensor:
        """Nexto's observations [B,rows,33] -> logits [B,90] of the rows of the lookup table."""
        player = self.output["emb_convertor"](self.earl(observations).relu())
        return player @ self.output["net"](self._actions).T


class _Perceiver(nn.Module):
    """Embeds query and key/value rows, then lets the query attend in blocks."""

    def __init__(self, blocks: int, block: type["_NectoBlock | _NextoBlock"]) -> None:
        super().__init__()
        self.query_preprocess = _embedding(N_QUERY_FEATURES)
        self.key_value_preprocess = _embedding(N_FEATURES)
        self.blocks = nn.ModuleList(block() for _ in range(blocks))
        self._prepare_rows = block.prepare_rows

    def forward(self, observations: Tensor) -> Tensor:
        x = self.query_preprocess(observations[:, 0, :N_QUERY_FEATURES].contiguous())
        y = self.key_value_preprocess(observations[:, 1:, :N_FEATURES].contiguous())
        # The published files add the mask to the scores instead of shutting padded rows out
        padded = observations[:, 1:, MASK] > 0.5
        y = self._prepare_rows(y)
        for block in self.blocks:
            x = block(x, y, padded)
        return x


class _NectoBlock(nn.Module):
    """x + attention(x, y), then x + feed-forward(x)."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = _Attention()
        self.linear1 = nn.Linear(WIDTH, 256)
        self.linear2 = nn.Linear(256, WIDTH)

    @staticmethod
    def prepare_rows(y: Tensor) -> Tensor:
        return y

    def forward(self, x: Tensor, y: Tensor, padded: Tensor) -> Tensor:
        x = x + self.attention(x, y, padded)
        return x + self.linear2(self.linear1(x).relu())


class _NextoBlock(nn.Module):
    """x + attention(norm1 x, norm2 y), then x + feed-forward(norm3 x)."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = _Attention()
        self.linear1 = nn.Linear(WIDTH, 512)
        self.linear2 = nn.Linear(512, WIDTH)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(WIDTH) for _ in range(3))

    @staticmethod
    def prepare_rows(y: Tensor) -> Tensor:
        # All blocks see the same rows: only the scale and shift of their norm2 differ
        return functional.layer_norm(y, (WIDTH,))

    def forward(self, x: Tensor, y: Tensor, padded: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x), y, padded, self.norm2)
        return x + self.linear2(self.linear1(self.norm3(x)).relu())


class _Attention(nn.Module):
    """`nn.MultiheadAttention` of a single query, with the rows' projections on its side.

    q·(W_k y) = (W_kᵀ q)·y and Σ a W_v y = W_v Σ a y for weights a that add up to 1, so one
    row is projected in place of each y. A key bias shifts all scores alike: it has no effect.
    """

    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * WIDTH, WIDTH))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * WIDTH))
        self.out_proj = nn.Linear(WIDTH, WIDTH)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(
        self, x: Tensor, y: Tensor, padded: Tensor, norm: nn.LayerNorm | None = None
    ) -> Tensor:
        """[B,W] queries, [B,E,W] rows, [B,E] bool mask -> [B,W].

        `norm` gives the scale and the shift that the rows still lack.
        """
        w_query, w_key, w_value = self.in_proj_weight.chunk(3)
        b_query, _, b_value = self.in_proj_bias.chunk(3)
        by_head = (HEADS, SIZE, WIDTH)
        query = functional.linear(x, w_query, b_query).view(-1, HEADS, SIZE).transpose(0, 1)
        looked_for = query @ w_key.view(by_head)
        if norm is not None:
            looked_for = looked_for * norm.weight
        seen = attend(looked_for, y, padded, SIZE**-0.5)
        if norm is not None:
            seen = seen * norm.weight + norm.bias
        answer = seen @ w_value.view(by_head).transpose(1, 2)
        return self.out_proj(answer.transpose(0, 1).reshape(-1, WIDTH) + b_value)


def _embedding(features: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
