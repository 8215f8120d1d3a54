"""A Perceiver and the linear head on it as one kernel: see `FusedNetwork`.

Arrays are float32; W is the network's width, E the number of key/value rows.
"""

from typing import NamedTuple

import numba
import numpy as np

from .attention import attend_kernel

_TILE = 32  # agents at a time: their numbers stay in a core's cache
_ROWS = 4  # that `_add_product` takes at a time, so a tile has a multiple of them
_NORM_EPS = np.float32(1e-5)  # of PyTorch's LayerNorm
_kernel = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})


class Affine(NamedTuple):
    """A linear layer, x @ weight + bias, or what follows a layer normalisation."""

    weight: np.ndarray  # [K,N], or [N]
    bias: np.ndarray  # [N]


class Embedding(NamedTuple):
    """Two linear layers, each rectified, and a normalisation."""

    inner: Affine
    outer: Affine
    norm: Affine


class Blocks(NamedTuple):
    """All blocks of cross-attention, which the first axis of each array counts."""

    query: Affine
    key: np.ndarray  # [blocks,heads,W/heads,W]: a head's query, turned into the rows' space
    value: np.ndarray  # [blocks,heads,W,W/heads]
    value_bias: np.ndarray  # [blocks,W]
    output: Affine
    attention_norm: Affine
    inner: Affine
    outer: Affine
    feedforward_norm: Affine


class Weights(NamedTuple):
    """All that a network has learned."""

    query: Embedding
    rows: Embedding
    blocks: Blocks
    head: Affine


class _Room(NamedTuple):
    """A tile's numbers: T agents, and their rows one below the other."""

    seen: np.ndarray  # [T,features of the query]
    seen_rows: np.ndarray  # [T*E,features of a row]
    padded: np.ndarray  # [T,E] bool
    x: np.ndarray  # [T,W]
    y: np.ndarray  # [T*E,W]
    spare: np.ndarray  # [T,W]
    spare_rows: np.ndarray  # [T*E,W]
    looked_for: np.ndarray  # [heads,T,W]
    found: np.ndarray  # [heads,T,W]
    attention: np.ndarray  # [heads,T,E]
    inside: np.ndarray  # [T,width inside the feed-forward layers]
    output: np.ndarray  # [T,K]


@_kernel
def forward(weights, observations, output):
    """Observations [B,1+E,columns] -> what the head makes of them [B,K], overwritten."""
    agents = observations.shape[0]
    tile = min(_TILE, -(-agents // _ROWS) * _ROWS)
    room = _room(weights, tile, observations.shape[1] - 1)
    for first in range(0, agents, _TILE):
        _look(observations, first, room)
        _embed(weights.query, room.seen, room.spare, room.x)
        _embed(weights.rows, room.seen_rows, room.spare_rows, room.y)
        for block in range(len(weights.blocks.key)):
            _attend(weights.blocks, block, room)
            _feed_forward(weights.blocks, block, room)
        _linear(room.x, weights.head.weight, weights.head.bias, room.output)
        count = min(_TILE, agents - first)
        output[first : first + count] = room.output[:count]


@_kernel
def draw(logits, choices, uniform, actions, log_probs):
    """Take every head's choice where a uniform number falls among its summed probabilities.

    Args:
        logits: [B,sum(choices)].
        choices: [heads] int64, how many each head has.
        uniform: [B,heads] numbers in 0..1.
        actions: [B,heads] int64, overwritten.
        log_probs: [B], overwritten.
    """
    for b in range(len(logits)):
        first, log_prob = 0, np.float32(0)
        for head in range(len(choices)):
            last = first + choices[head]
            highest = logits[b, first:last].max()
            total = np.float32(0)
            for i in range(first, last):
                total += np.exp(logits[b, i] - highest)
            chosen, summed = first, np.float32(0)
            for i in range(first, last - 1):
                summed += np.exp(logits[b, i] - highest)
                if summed < uniform[b, head] * total:
                    chosen = i + 1
            actions[b, head] = chosen - first
            log_prob += logits[b, chosen] - highest - np.log(total)
            first = last
        log_probs[b] = log_prob


@_kernel
def _room(weights, tile, others):
    heads, _, width = weights.blocks.key.shape[1:]
    return _Room(
        np.empty((tile, len(weights.query.inner.weight)), np.float32),
        np.empty((tile * others, len(weights.rows.inner.weight)), np.float32),
        np.empty((tile, others), np.bool_),
        np.empty((tile, width), np.float32),
        np.empty((tile * others, width), np.float32),
        np.empty((tile, width), np.float32),
        np.empty((tile * others, width), np.float32),
        np.empty((heads, tile, width), np.float32),
        np.empty((heads, tile, width), np.float32),
        np.empty((heads, tile, others), np.float32),
        np.empty((tile, weights.blocks.inner.bias.shape[1]), np.float32),
        np.empty((tile, len(weights.head.bias)), np.float32),
    )


@_kernel
def _look(observations, first, room):
    """Take a tile apart; where agents are too few for it, the last one fills it up."""
    others, mask = observations.shape[1] - 1, observations.shape[2] - 1
    for agent in range(len(room.seen)):
        observation = observations[min(first + agent, len(observations) - 1)]
        for i in range(room.seen.shape[1]):
            room.seen[agent, i] = observation[0, i]
        for e in range(others):
            room.padded[agent, e] = observation[1 + e, mask] > np.float32(0.5)
            for i in range(room.seen_rows.shape[1]):
                room.seen_rows[agent * others + e, i] = observation[1 + e, i]


@_kernel
def _embed(embedding, seen, spare, embedded):
    _linear(seen, embedding.inner.weight, embedding.inner.bias, embedded)
    _rectify(embedded)
    _linear(embedded, embedding.outer.weight, embedding.outer.bias, spare)
    _rectify(spare)
    _normalise(spare, embedding.norm.weight, embedding.norm.bias, embedded)


@_kernel
def _attend(blocks, i, room):
    """Cross-attention of x over y, its residual and normalisation: x is overwritten."""
    heads, size, width = blocks.key.shape[1:]
    tile, others = room.padded.shape
    _linear(room.x, blocks.query.weight[i], blocks.query.bias[i], room.spare)
    for head in range(heads):
        room.looked_for[head] = 0
        _add_product(room.spare, head * size, blocks.key[i, head], room.looked_for[head], 0)
    y, scale = room.y.reshape(tile, others, width), np.float32(1 / np.sqrt(size))
    attend_kernel(room.looked_for, y, room.padded, scale, room.attention, room.found)
    _fill(room.spare, blocks.value_bias[i])
    for head in range(heads):
        _add_product(room.found[head], 0, blocks.value[i, head], room.spare, head * size)
    _add(room.x, blocks.output.bias[i])
    _add_product(room.spare, 0, blocks.output.weight[i], room.x, 0)
    _normalise(room.x, blocks.attention_norm.weight[i], blocks.attention_norm.bias[i], room.x)


@_kernel
def _feed_forward(blocks, i, room):
    """The feed-forward layers, their residual and normalisation: x is overwritten."""
    _linear(room.x, blocks.inner.weight[i], blocks.inner.bias[i], room.inside)
    _rectify(room.inside)
    _add(room.x, blocks.outer.bias[i])
    _add_product(room.inside, 0, blocks.outer.weight[i], room.x, 0)
    _normalise(room.x, blocks.feedforward_norm.weight[i], blocks.feedforward_norm.bias[i], room.x)


@_kernel
def _linear(x, weight, bias, y):
    _fill(y, bias)
    _add_product(x, 0, weight, y, 0)


@_kernel
def _add_product(x, x_from, weight, y, y_from):
    """y[:, y_from:] += x[:, x_from:] @ weight, for a multiple of `_ROWS` rows.

    Four by four numbers of x meet whole rows of the weight: a vector of the weight serves
    four rows once it is loaded, and a vector of y takes four products. At these sizes that is
    as fast as a matrix library.
    """
    depth, columns = weight.shape
    whole = depth // 4 * 4
    for m in range(0, len(x), _ROWS):
        xa, xb, xc, xd = x[m, x_from:], x[m + 1, x_from:], x[m + 2, x_from:], x[m + 3, x_from:]
        ya, yb, yc, yd = y[m, y_from:], y[m + 1, y_from:], y[m + 2, y_from:], y[m + 3, y_from:]
        for k in range(0, whole, 4):
            w0, w1, w2, w3 = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
            a0, a1, a2, a3 = xa[k], xa[k + 1], xa[k + 2], xa[k + 3]
            b0, b1, b2, b3 = xb[k], xb[k + 1], xb[k + 2], xb[k + 3]
            c0, c1, c2, c3 = xc[k], xc[k + 1], xc[k + 2], xc[k + 3]
            d0, d1, d2, d3 = xd[k], xd[k + 1], xd[k + 2], xd[k + 3]
            for n in range(columns):
                ya[n] += a0 * w0[n] + a1 * w1[n] + a2 * w2[n] + a3 * w3[n]
                yb[n] += b0 * w0[n] + b1 * w1[n] + b2 * w2[n] + b3 * w3[n]
                yc[n] += c0 * w0[n] + c1 * w1[n] + c2 * w2[n] + c3 * w3[n]
                yd[n] += d0 * w0[n] + d1 * w1[n] + d2 * w2[n] + d3 * w3[n]
        for k in range(whole, depth):
            wk, ak, bk, ck, dk = weight[k], xa[k], xb[k], xc[k], xd[k]
            for n in range(columns):
                ya[n] += ak * wk[n]
                yb[n] += bk * wk[n]
                yc[n] += ck * wk[n]
                yd[n] += dk * wk[n]


@_kernel
def _fill(y, bias):
    for m in range(len(y)):
        for n in range(len(bias)):
            y[m, n] = bias[n]


@_kernel
def _add(y, bias):
    for m in range(len(y)):
        for n in range(len(bias)):
            y[m, n] += bias[n]


@_kernel
def _rectify(y):
    for m in range(len(y)):
        for n in range(y.shape[1]):
            y[m, n] = max(y[m, n], np.float32(0))


@_kernel
def _normalise(x, weight, bias, y):
    """Layer normalisation of x [M,N] into y, which may be x."""
    width = np.float32(len(bias))
    for m in range(len(x)):
        mean = np.float32(0)
        for n in range(len(bias)):
            mean += x[m, n]
        mean /= width
        variance = np.float32(0)
        for n in range(len(bias)):
            variance += (x[m, n] - mean) * (x[m, n] - mean)
        scale = np.float32(1) / np.sqrt(variance / width + _NORM_EPS)
        for n in range(len(bias)):
            y[m, n] = (x[m, n] - mean) * scale * weight[n] + bias[n]
