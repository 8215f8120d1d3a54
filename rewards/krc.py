"""Kinesthetic reward combination."""

from math import sqrt

import numba


@numba.njit(cache=True, nogil=True)
def krc(factors, first, n):
    """R_c = s·(∏|R_i|)^(1/n), s = +1 where every R_i is positive, else -1.

    The geometric mean asks for all factors at once: one that is small makes the whole
    small, where a weighted sum would let the others make up for it.

    Args:
        factors: [...] the values on the evaluation stack.
        first: index of the first factor.
        n: how many.

    Source: Lucy-SKG, equation of kinesthetic reward combinations.
    """
    product, positive = 1.0, True
    for i in range(first, first + n):
        product *= abs(factors[i])
        positive = positive and factors[i] > 0
    size = sqrt(product) if n == 2 else product ** (1.0 / n)
    return size if positive else -size
