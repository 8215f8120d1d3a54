"""Kinesthetic reward combination, and weighted sums, of values that are computed already."""

from math import sqrt

import numba

from .elementary import power


@numba.njit(cache=True, nogil=True, error_model="numpy")
def krc(values, parts, factors, sign, out):
    """R_c = s·(∏|R_i|)^(1/n), s = +1 where every R_i is positive, else -1.

    The geometric mean asks for all parts at once: one that is small makes the whole
    small, where a weighted sum would let the others make up for it.

    Args:
        values: [rows,...] float64, what has been computed.
        parts: [n] int64, the rows to combine.
        factors: [n] float64, each part's weight.
        sign: [...] float64, room to work in.
        out: [...] float64.

    Source: Lucy-SKG, equation of kinesthetic reward combinations. The authors' code has
    two variants of s, for the align and the offensive groups; they differ from this one
    only where a part is exactly 0, and there R_c is 0 in all of them.
    """
    n = len(parts)
    for i in range(out.size):
        value = factors[0] * values[parts[0], i]
        out[i] = abs(value)
        sign[i] = 1.0 if value > 0 else -1.0
    for j in range(1, n):
        row, factor = parts[j], factors[j]
        for i in range(out.size):
            value = factor * values[row, i]
            out[i] *= abs(value)
            sign[i] = sign[i] if value > 0 else -1.0
    if n == 1:
        for i in range(out.size):
            out[i] *= sign[i]
    elif n == 2:
        for i in range(out.size):
            out[i] = sign[i] * sqrt(out[i])
    else:
        for i in range(out.size):
            out[i] = sign[i] * power(out[i], 1.0 / n)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def weighted_sum(values, parts, factors, out):
    """Σ factor · value; arguments as in `krc`."""
    for i in range(out.size):
        out[i] = factors[0] * values[parts[0], i]
    for j in range(1, len(parts)):
        row, factor = parts[j], factors[j]
        for i in range(out.size):
            out[i] += factor * values[row, i]
