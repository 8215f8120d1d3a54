"""A reward over recordings as one tidy table: a row a step, car and component."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from ..sim.constants import TICKS_PER_SECOND
from ..sim.names import distinct
from ..sim.recording import Recording
from .spec import RewardSpec
from .trajectory import evaluate_trajectory

TABLE_SUFFIXES = (".parquet", ".csv")
TEAMS = ("blue", "orange")
AMOUNTS = ("value", "weighted", "undistributed", "reward")


def evaluate_recording(spec: RewardSpec, recording: Recording, steps: int = 0) -> pd.DataFrame:
    """What a reward's terms paid every car of a recording.

    Args:
        spec: the reward.
        recording: of any number of games.
        steps: of training that the weights' schedules stand at.

    Returns:
        A row a step, car and component, in this order. Steps that begin an episode, and slots
        without a car, have none: nothing is paid there. Columns: `game` (int16), `step` (int32,
        in the recording), `time` (float32, s since the game's start), `car` (int8, its slot),
        `player`, `team`, `component` (categories; the second player of a name in a game is
        `name (2)`), and as float32 `value` (as the formula gives it), `weighted`,
        `undistributed` (what the car itself earns: potentials as shaping) and `reward` (after
        team spirit).
    """
    states, metadata = recording
    evaluation = evaluate_trajectory(spec, states, steps)
    step, car = np.nonzero(states.car_mask & ~states.episode_start[:, None])
    starts = np.array([game.start for game in metadata.games])
    game = np.searchsorted(starts, step, side="right") - 1
    seconds = (step - starts[game]) * (metadata.tick_skip / TICKS_PER_SECOND)
    names = np.array([_players(game.players) for game in metadata.games])
    players, player = np.unique(names[game, car], return_inverse=True)
    terms = len(evaluation.names)

    def each(values: np.ndarray, dtype: type) -> np.ndarray:
        return np.repeat(values.astype(dtype), terms)

    columns = {
        "game": each(game, np.int16),
        "step": each(step, np.int32),
        "time": each(seconds, np.float32),
        "car": each(car, np.int8),
        "player": pd.Categorical.from_codes(each(player, np.int16), players.tolist()),
        "team": pd.Categorical.from_codes(each(states.car_team[car], np.int8), list(TEAMS)),
        "component": pd.Categorical.from_codes(
            np.tile(np.arange(terms, dtype=np.int16), len(step)), list(evaluation.names)
        ),
    }
    amounts = {name: getattr(evaluation.decomposition, name)[step, car].ravel() for name in AMOUNTS}
    return pd.DataFrame(columns | amounts)


def _players(names: Sequence[str]) -> list[str]:
    return distinct([name or f"car {slot}" for slot, name in enumerate(names, start=1)])


def join_evaluations(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The tables of several recordings as one; `game` counts on from table to table."""
    parts, games = [], 0
    for table in tables:
        parts.append(table.assign(game=table["game"].astype(np.int32) + games))
        games += int(table["game"].to_numpy().max(initial=-1)) + 1
    joined = {
        name: union_categoricals([part[name] for part in parts])
        if isinstance(parts[0][name].dtype, pd.CategoricalDtype)
        else np.concatenate([part[name].to_numpy() for part in parts])
        for name in parts[0].columns
    }
    return pd.DataFrame(joined)


def save_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet or CSV, by the path's suffix; the file is replaced at one stroke.

    Raises:
        ValueError: another suffix.
        OSError: it cannot be written.
    """
    if path.suffix not in TABLE_SUFFIXES:
        raise ValueError(f"{path}: expected a file name that ends in .parquet or .csv")
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, compression="zstd", index=False)
        else:
            table.to_csv(temporary, index=False, encoding="utf-8", float_format="%.7g")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
