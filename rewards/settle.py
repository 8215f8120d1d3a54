"""From values to rewards: weights, shaping, team spirit, and the statistics of it all."""

import numba

VALUE, WEIGHTED, UNDISTRIBUTED, REWARD = range(4)  # rows of the decomposition
N_MOMENTS = 5  # sum, sum of squares, sum of absolutes, positives, negatives

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
# Only sums may be taken in another order: what a car is paid does not depend on its place
summing = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz"})


@summing
def _mass(x):
    total = 0.0
    for i in range(x.size):
        total += abs(x[i])
    return total


@summing
def _add_moments(x, moments):
    total, squares, mass, positive, negative = 0.0, 0.0, 0.0, 0, 0
    for i in range(x.size):
        total += x[i]
        squares += x[i] * x[i]
        mass += abs(x[i])
        positive += x[i] > 0
        negative += x[i] < 0
    moments[0] += total
    moments[1] += squares
    moments[2] += mass
    moments[3] += positive
    moments[4] += negative


@kernel
def mask_value(values, mask, out):
    """The values of the cars that there are, 0 in empty slots."""
    for i in range(out.size):
        out[i] = values[i] if mask[i] > 0 else 0.0


@kernel
def shape(value, weight, gamma, first, n, level, out):
    """F = w (γ Φ(s') - Φ(s)), 0 on an episode's first step; keeps Φ(s') in `level`."""
    for i in range(n):
        gain = weight * (gamma * value[i] - level[i])
        out[i] = 0.0 if first[i] else gain
        level[i] = value[i]


@kernel
def weigh(value, weight, out):
    """Weight times value."""
    for i in range(out.size):
        out[i] = weight * value[i]


@kernel
def team_shares(mask, team, n, out):
    """1 / cars of each team and arena, blue's n before orange's; 0 for a team without cars."""
    for i in range(2 * n):
        out[i] = 0.0
    for c in range(len(team)):
        start = team[c] * n
        for i in range(n):
            out[start + i] += mask[c * n + i]
    for i in range(2 * n):
        out[i] = 1.0 / out[i] if out[i] > 0 else 0.0


@kernel
def distribute(paid, mask, team, shares, n, team_spirit, zero_sum, means, out):
    """R'_i = (1-τ) R_i + τ·mean over own team - z·mean over opponents."""
    for i in range(2 * n):
        means[i] = 0.0
    for c in range(len(team)):
        start = team[c] * n
        for i in range(n):
            means[start + i] += paid[c * n + i]
    for i in range(2 * n):
        means[i] *= shares[i]
    for c in range(len(team)):
        own = team[c] * n
        other = n - own
        for i in range(n):
            shared = team_spirit * means[own + i] - zero_sum * means[other + i]
            reward = (1.0 - team_spirit) * paid[c * n + i] + shared
            out[c * n + i] = reward if mask[c * n + i] > 0 else 0.0


@kernel
def add(x, out):
    """Add x to out."""
    for i in range(out.size):
        out[i] += x[i]


@kernel
def store(x, out):
    """Write a slot's row of numbers as float32."""
    for i in range(out.size):
        out[i] = x[i]


@kernel
def settle(
    term,
    weight,
    sharing,
    values,
    mask,
    team,
    n,
    arena,
    first,
    level,
    scratch,
    write,
    parts,
    total,
    sums,
    totals,
):
    """Pay the n arenas of a block, whose values are computed, from arena `arena` on.

    Args:
        term: [K] each term's row of values.
        weight: [K] of each term.
        sharing: [4] γ, τ, z, and 1 to write the decomposition.
        values: [M,...] the nodes' values.
        mask: [C·n] 1 where there is a car.
        team: [C] of each slot.
        n: arenas in the block.
        arena: the first of them.
        first: [A] whether an arena's next step is its episode's first.
        level: [P,C,A] each potential's Φ(s).
        scratch: [6,...] room to work in.
        write: the row of `parts` and `total` that the first arena goes to.
        parts: [4,K,C,rows] float32 decomposition.
        total: [rows,C] float32.
        sums: [2,K,N_MOMENTS] statistics of value and reward.
        totals: [3] car-steps, sum and sum of squares of the total.
    """
    gamma, team_spirit, zero_sum, decompose = sharing[0], sharing[1], sharing[2], sharing[3] > 0
    cars = len(team)
    m = cars * n
    value, paid, reward, whole = scratch[0, :m], scratch[1, :m], scratch[2, :m], scratch[3, :m]
    shares, means = scratch[4, : 2 * n], scratch[5, : 2 * n]
    starts = first[arena : arena + n]
    team_shares(mask, team, n, shares)
    for i in range(m):
        whole[i] = 0.0
    for k in range(len(weight)):
        mask_value(values[term[k], :m], mask, value)
        if k < len(level):
            for c in range(cars):
                shape(
                    value[c * n : (c + 1) * n],
                    weight[k],
                    gamma,
                    starts,
                    n,
                    level[k, c, arena : arena + n],
                    paid[c * n : (c + 1) * n],
                )
        else:
            weigh(value, weight[k], paid)
        if not decompose:
            add(paid, whole)
            continue
        distribute(paid, mask, team, shares, n, team_spirit, zero_sum, means, reward)
        add(reward, whole)
        _add_moments(value, sums[0, k])
        _add_moments(reward, sums[1, k])
        for c in range(cars):
            row = value[c * n : (c + 1) * n]
            store(row, parts[VALUE, k, c, write : write + n])
            weigh(row, weight[k], parts[WEIGHTED, k, c, write : write + n])
            store(paid[c * n : (c + 1) * n], parts[UNDISTRIBUTED, k, c, write : write + n])
            store(reward[c * n : (c + 1) * n], parts[REWARD, k, c, write : write + n])
    if not decompose:
        distribute(whole, mask, team, shares, n, team_spirit, zero_sum, means, reward)
        for i in range(m):
            whole[i] = reward[i]
    for c in range(cars):
        for i in range(n):
            total[write + i, c] = whole[c * n + i]
    for i in range(m):
        totals[0] += mask[i]
        totals[1] += whole[i]
        totals[2] += whole[i] * whole[i]
