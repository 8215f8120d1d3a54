"""From values to rewards: weights, shaping, team spirit, and the statistics of it all."""

import numba
import numpy as np

VALUE, WEIGHTED, UNDISTRIBUTED, REWARD = range(4)  # rows of the decomposition
N_MOMENTS = 5  # sum, sum of squares, sum of absolutes, positives, negatives

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
# Only sums may be taken in another order: what a car is paid does not depend on its place
summing = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz"})


@summing
def _add_moments(x, moments, kind, k):
    total, squares, mass, positive, negative = 0.0, 0.0, 0.0, 0, 0
    for i in range(x.size):
        total += x[i]
        squares += x[i] * x[i]
        mass += abs(x[i])
        positive += x[i] > 0
        negative += x[i] < 0
    moments[kind, k, 0] += total
    moments[kind, k, 1] += squares
    moments[kind, k, 2] += mass
    moments[kind, k, 3] += positive
    moments[kind, k, 4] += negative


@summing
def _add_totals(x, mask, totals):
    cars, total, squares = 0.0, 0.0, 0.0
    for i in range(x.size):
        cars += mask[i]
        total += x[i]
        squares += x[i] * x[i]
    totals[0] += cars
    totals[1] += total
    totals[2] += squares


@summing
def mask_value(values, row, mask, out):
    """A row of values where there is a car, 0 in empty slots; returns their absolute sum."""
    mass = 0.0
    for i in range(out.size):
        value = values[row, i] if mask[i] > 0 else 0.0
        out[i] = value
        mass += abs(value)
    return mass


# Kernels take whole arrays and indices: a slice for each row would cost more than the row


@kernel
def shape(value, weight, gamma, first, k, n, arena, level, out):
    """F = w (γ Φ(s') - Φ(s)), 0 on an episode's first step; keeps Φ(s') in `level`."""
    for c in range(level.shape[1]):
        for i in range(n):
            reached = value[c * n + i]
            gain = weight * (gamma * reached - level[k, c, arena + i])
            out[c * n + i] = 0.0 if first[arena + i] else gain
            level[k, c, arena + i] = reached


@kernel
def weigh(value, weight, out):
    """Weight times value."""
    for i in range(out.size):
        out[i] = weight * value[i]


@kernel
def write_term(k, value, weight, paid, reward, n, write, parts, written):
    """Write a term's row of the decomposition."""
    # With unsigned indices no loop asks whether one counts from the end
    term, row, width = np.uint64(k), np.uint64(write), np.uint64(n)
    for c in range(np.uint64(parts.shape[2])):
        start = c * width
        for i in range(width):
            parts[np.uint64(VALUE), term, c, row + i] = value[start + i]
            parts[np.uint64(WEIGHTED), term, c, row + i] = weight * value[start + i]
        for i in range(width):
            parts[np.uint64(UNDISTRIBUTED), term, c, row + i] = paid[start + i]
            parts[np.uint64(REWARD), term, c, row + i] = reward[start + i]
    for i in range(width):
        written[term, row + i] = True


@kernel
def write_nothing(k, n, write, parts, written):
    """Clear the row of a term that is 0 for all cars of a block, as most events mostly are."""
    term, row, width = np.uint64(k), np.uint64(write), np.uint64(n)
    any_written = False
    for i in range(width):
        any_written |= written[term, row + i]
        written[term, row + i] = False
    if not any_written:
        return
    for kind in range(np.uint64(parts.shape[0])):
        for c in range(np.uint64(parts.shape[2])):
            for i in range(width):
                parts[kind, term, c, row + i] = 0.0


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
    width = np.uint64(n)
    for i in range(2 * width):
        means[i] = 0.0
    for c in range(np.uint64(len(team))):
        side, car = np.uint64(team[c]) * width, c * width
        for i in range(width):
            means[side + i] += paid[car + i]
    for i in range(width):
        blue, orange = means[i] * shares[i], means[width + i] * shares[width + i]
        means[i] = team_spirit * blue - zero_sum * orange
        means[width + i] = team_spirit * orange - zero_sum * blue
    own_share = 1.0 - team_spirit
    for c in range(np.uint64(len(team))):
        side, car = np.uint64(team[c]) * width, c * width
        for i in range(width):
            reward = own_share * paid[car + i] + means[side + i]
            out[car + i] = reward if mask[car + i] > 0 else 0.0


@kernel
def add(x, out):
    """Add x to out."""
    for i in range(out.size):
        out[i] += x[i]


@kernel
def leave_out(counted, n, arena, out):
    """Clear what is of cars that are not counted."""
    for c in range(counted.shape[0]):
        for i in range(n):
            if not counted[c, arena + i]:
                out[c * n + i] = 0.0


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
    counted,
    scratch,
    write,
    parts,
    written,
    total,
    moments,
    totals,
):
    """Pay the n arenas of a block, whose values are computed, from arena `arena` on.

    Args:
        term: [K] each term's row of values.
        weight: [K] of each term.
        sharing: [6] γ, τ, z, 1 to write the decomposition, 1 to keep statistics, 1 where not
            every car is counted in these.
        values: [M,...] the nodes' values.
        mask: [C·n] 1 where there is a car.
        team: [C] of each slot.
        n: arenas in the block.
        arena: the first of them.
        first: [A] whether an arena's next step is its episode's first.
        level: [P,C,A] each potential's Φ(s).
        counted: [C,A] bool.
        scratch: [6,...] room to work in.
        write: the row of `parts` and `total` that the first arena goes to.
        parts: [4,K,C,rows] float32 decomposition.
        written: [K,rows] bool, the rows of `parts` that are not 0.
        total: [rows,C] float32.
        moments: [2,K,N_MOMENTS] statistics of value and reward.
        totals: [3] car-steps, sum and sum of squares of the total.
    """
    gamma, team_spirit, zero_sum = sharing[0], sharing[1], sharing[2]
    decompose, keep_statistics, choosy = sharing[3] > 0, sharing[4] > 0, sharing[5] > 0
    cars = len(team)
    m = cars * n
    value, paid, reward, whole = scratch[0, :m], scratch[1, :m], scratch[2, :m], scratch[3, :m]
    shares, means = scratch[4, : 2 * n], scratch[5, : 2 * n]
    team_shares(mask, team, n, shares)
    for i in range(m):
        whole[i] = 0.0
    for k in range(len(weight)):
        silent = mask_value(values, term[k], mask, value) == 0.0
        if k < len(level):
            shape(value, weight[k], gamma, first, k, n, arena, level, paid)
        elif not silent:
            weigh(value, weight[k], paid)
        else:
            if decompose:
                write_nothing(k, n, write, parts, written)
            continue
        add(paid, whole)
        if not decompose:
            continue
        distribute(paid, mask, team, shares, n, team_spirit, zero_sum, means, reward)
        write_term(k, value, weight[k], paid, reward, n, write, parts, written)
        if keep_statistics:
            if choosy:
                leave_out(counted, n, arena, value)
                leave_out(counted, n, arena, reward)
            _add_moments(value, moments, 0, k)
            _add_moments(reward, moments, 1, k)
    distribute(whole, mask, team, shares, n, team_spirit, zero_sum, means, reward)
    for c in range(cars):
        for i in range(n):
            total[write + i, c] = reward[c * n + i]
    if keep_statistics:
        value[:] = mask
        if choosy:
            leave_out(counted, n, arena, value)
            leave_out(counted, n, arena, reward)
        _add_totals(reward, value, totals)
