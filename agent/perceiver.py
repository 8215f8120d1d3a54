"""The Perceiver: the player's own row looks at the ball and the cars around it."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .attention import attend


class Rows(NamedTuple):
    """An observation taken apart: B samples of E key/value rows."""

    query: Tensor  # [B,columns-1]
    rows: Tensor  # [B,E,features]
    padded: Tensor  # [B,E] bool


def split(observations: Tensor, features: int) -> Rows:
    """Observations [B,rows,columns], taken apart once for all networks that read them.

    Args:
        observations: row 0 the query; in the last column the mask.
        features: columns that the key/value rows fill.
    """
    return Rows(
        observations[:, 0, :-1].contiguous(),
        observations[:, 1:, :features].contiguous(),
        observations[:, 1:, -1] > 0.5,
    )


class CrossAttention(nn.Module):
    """One query's multi-head attention over few key/value rows.

    softmax(q Kᵀ/√d) V with q = W_q x, K = W_k y, V = W_v y. For a single query W_k and W_v
    are better applied on its side: q·(W_k y) = (W_kᵀ q)·y and Σ a W_v y = W_v Σ a y, which
    gives the same numbers for one row's work instead of one for each y. A key bias would
    shift all of a row's scores alike, so there is none.
    """

    def __init__(self, width: int, heads: int) -> None:
        """For embeddings of this width, a multiple of the number of heads."""
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, y: Tensor, padded: Tensor) -> Tensor:
        """Attend.

        Args:
            x: [B,width] query.
            y: [B,E,width] key/value rows, at least one of them not padded.
            padded: [B,E] bool.

        Returns:
            [B,width].
        """
        batch, width = x.shape
        by_head = (self.heads, self.size, width)
        query = self.query(x).view(batch, self.heads, self.size).transpose(0, 1)
        looked_for = torch.bmm(query, self.key.weight.view(by_head))
        seen = attend(looked_for, y, padded, self.size**-0.5)
        answer = torch.bmm(seen, self.value.weight.view(by_head).transpose(1, 2))
        return self.output(answer.transpose(0, 1).reshape(batch, width) + self.value.bias)


class Block(nn.Module):
    """Cross-attention and a feed-forward layer, each with a residual and a LayerNorm after."""

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        """See `Perceiver`."""
        super().__init__()
        self.attention = CrossAttention(width, heads)
        self.attention_norm = nn.LayerNorm(width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, feedforward), nn.ReLU(inplace=True), nn.Linear(feedforward, width)
        )
        self.feedforward_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, y: Tensor, padded: Tensor) -> Tensor:
        """[B,width] query, [B,E,width] rows, [B,E] bool mask -> [B,width]."""
        x = self.attention_norm(x + self.attention(x, y, padded))
        return self.feedforward_norm(x + self.feedforward(x))


class Perceiver(nn.Module):
    """Embeds query and key/value rows, then lets the query attend in blocks.

    Source: Lucy-SKG, section on the network: width 128, 2 blocks, 4 heads, 512 inside.
    """

    def __init__(
        self,
        query_features: int,
        row_features: int,
        width: int,
        blocks: int,
        heads: int,
        feedforward: int,
    ) -> None:
        """Build with fresh weights.

        Args:
            query_features: of the query.
            row_features: of each key/value row.
            width: of the embeddings.
            blocks: how many.
            heads: of each attention.
            feedforward: width inside the feed-forward layers.
        """
        super().__init__()
        self.embed_query = _embedding(query_features, width)
        self.embed_rows = _embedding(row_features, width)
        self.blocks = nn.ModuleList(Block(width, heads, feedforward) for _ in range(blocks))

    def forward(self, observation: Rows) -> Tensor:
        """Observations [B] -> [B,width]."""
        return self.attend(*self.embed(observation), observation.padded)

    def embed(self, observation: Rows) -> tuple[Tensor, Tensor]:
        """Observations [B] -> embedded query [B,width] and rows [B,E,width]."""
        return self.embed_query(observation.query), self.embed_rows(observation.rows)

    def attend(self, x: Tensor, y: Tensor, padded: Tensor) -> Tensor:
        """Embedded query [B,width] and rows [B,E,width], mask [B,E] -> [B,width]."""
        for block in self.blocks:
            x = block(x, y, padded)
        return x


def _embedding(features: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(features, width),
        nn.ReLU(inplace=True),
        nn.Linear(width, width),
        nn.ReLU(inplace=True),
        nn.LayerNorm(width),
    )
