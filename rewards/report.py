"""What a reward does on real play: statistics of its terms, and how they go together."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

DENSE = 0.5  # share of car-steps that are not 0, from which a term counts as dense
STRETCH = 4.0  # steps that a run without zeros lasts in the mean, from which they are stretches
MAX_DISTINCT = 5  # amounts that are listed one by one


class Report(NamedTuple):
    """Statistics of a reward over some recordings; see `reward_report`."""

    seconds: float  # of play, all cars together
    car_steps: int
    components: pd.DataFrame  # [K] indexed by component
    teams: pd.DataFrame  # by team and component
    players: pd.DataFrame  # by player and component
    correlations: pd.DataFrame  # [K,K] between what the terms pay
    amounts: dict[str, dict[float, int]]  # terms that know few amounts: how often each came


def reward_report(table: pd.DataFrame, step_seconds: float) -> Report:
    """Statistics of a reward's terms.

    Columns, of what a term pays the car itself (`undistributed`) unless said otherwise:

    - `per_second`: the sum over the cars' seconds; `min`, `max`, `mean`, `deviation`.
    - `density`: share of car-steps that are not 0; `kind`: `dense` from a density of 0.5 on,
      `stretches` where those come in runs of over 4 steps in the mean, `sparse`, or `never`.
    - `positives`, `positive_mean`, `negatives`, `negative_mean`: car-steps above and below 0.
    - `value_min`, `value_max`, `value_mean`: of the formula's own value.
    - `reward_per_second`: after team spirit; `share`: of all that is paid then to the same
      cars, by absolute value.

    Args:
        table: of `evaluate_recording` or `join_evaluations`.
        step_seconds: that a step lasts.

    Returns:
        NaN where there is nothing to take a mean or a correlation of.

    Raises:
        ValueError: the table has no rows.
    """
    if table.empty:
        raise ValueError("the recording has no step that pays: expected two or more steps a game")
    table = table.assign(run=_begins_run(table))
    first = next(iter(table.groupby("component", observed=True)))[1]
    return Report(
        seconds=len(first) * step_seconds,
        car_steps=len(first),
        components=_describe(table, None, step_seconds),
        teams=_describe(table, "team", step_seconds),
        players=_describe(table, "player", step_seconds),
        correlations=_correlations(table),
        amounts=_amounts(table),
    )


def _begins_run(table: pd.DataFrame) -> np.ndarray:
    """Whether a row is the first of its car's and term's run of steps that are not 0."""
    keys = [table[name].to_numpy() for name in ("step", "car", "game")]
    order = np.lexsort((*keys, table["component"].cat.codes.to_numpy()))
    active = table["undistributed"].to_numpy()[order] != 0
    same = np.ones(len(table), np.bool_)
    for name in ("car", "game", "component"):
        column = table[name].cat.codes if name == "component" else table[name]
        same &= np.concatenate([[False], np.diff(column.to_numpy()[order]) == 0])
    begins = active & ~(same & np.concatenate([[False], active[:-1]]))
    result = np.empty(len(table), np.bool_)
    result[order] = begins
    return result


def _describe(table: pd.DataFrame, by: str | None, step_seconds: float) -> pd.DataFrame:
    keys = [by, "component"] if by else ["component"]
    groups = list(table.groupby(keys, observed=True, sort=True))
    result = pd.DataFrame([_statistics(group, step_seconds) for _, group in groups])
    names: list[Any] = [key for key, _ in groups]  # tuples
    index = pd.MultiIndex.from_tuples(names, names=keys)
    result.index = index if by else index.get_level_values("component")
    mass = result["mass"].groupby(level=0).transform("sum") if by else result["mass"].sum()
    result["share"] = result["mass"] / mass
    return result.drop(columns="mass")


def _statistics(group: pd.DataFrame, step_seconds: float) -> dict[str, Any]:
    paid, value, reward = (
        group[name].to_numpy(np.float64) for name in ("undistributed", "value", "reward")
    )
    positive, negative = paid[paid > 0], paid[paid < 0]
    active, seconds = len(positive) + len(negative), len(paid) * step_seconds
    return {
        "per_second": paid.sum() / seconds,
        "min": paid.min(),
        "max": paid.max(),
        "mean": paid.mean(),
        "deviation": paid.std(),
        "density": active / len(paid),
        "kind": _kind(active, len(paid), np.count_nonzero(group["run"])),
        "positives": len(positive),
        "positive_mean": positive.mean() if len(positive) else np.nan,
        "negatives": len(negative),
        "negative_mean": negative.mean() if len(negative) else np.nan,
        "value_min": value.min(),
        "value_max": value.max(),
        "value_mean": value.mean(),
        "reward_per_second": reward.sum() / seconds,
        "mass": np.abs(reward).sum(),
    }


def _kind(active: int, steps: int, runs: int) -> str:
    if not active:
        return "never"
    if active / steps >= DENSE:
        return "dense"
    return "stretches" if active / runs > STRETCH else "sparse"


def _columns(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """What each term paid, car-step by car-step."""
    return {
        str(name): group["undistributed"].to_numpy(np.float64)
        for name, group in table.groupby("component", observed=True, sort=True)
    }


def _correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Pearson's r, NaN for a term that always pays the same."""
    columns = _columns(table)
    paid = np.stack(list(columns.values()))
    centred = paid - paid.mean(axis=1, keepdims=True)
    length = np.sqrt((centred * centred).sum(axis=1))
    unit = centred / np.where(length > 0, length, np.nan)[:, None]
    return pd.DataFrame((unit @ unit.T).clip(-1, 1), index=[*columns], columns=[*columns])


def _amounts(table: pd.DataFrame) -> dict[str, dict[float, int]]:
    found = {}
    for name, paid in _columns(table).items():
        amounts, counts = np.unique(paid[paid != 0], return_counts=True)
        if 0 < len(amounts) <= MAX_DISTINCT:
            found[name] = dict(zip(amounts.tolist(), counts.tolist(), strict=True))
    return found


def to_json(report: Report) -> dict[str, Any]:
    """The report's figures as plain JSON values; null where there is none."""
    return {
        "car_seconds": report.seconds,
        "car_steps": report.car_steps,
        "components": _records(report.components),
        "teams": {
            team: _records(rows.droplevel(0)) for team, rows in report.teams.groupby(level=0)
        },
        "players": {
            player: _records(rows.droplevel(0)) for player, rows in report.players.groupby(level=0)
        },
        "correlations": _records(report.correlations),
        "amounts": {
            name: {f"{amount:.6g}": count for amount, count in amounts.items()}
            for name, amounts in report.amounts.items()
        },
    }


def _records(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return {str(name): dict(row) for name, row in plain.to_dict("index").items()}
