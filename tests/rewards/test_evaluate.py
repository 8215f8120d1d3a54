"""The tidy table says what the reward function paid, and can be read back."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lucy.rewards.evaluate import AMOUNTS, evaluate_recording, join_evaluations, save_table
from lucy.rewards.function import RewardFunction
from lucy.rewards.spec import load_spec
from lucy.sim.state import select

from .play import SECOND_GAME, STEPS, random_recording

SPEC = load_spec("lucy-skg")


@pytest.fixture(scope="module")
def recording(random_states):
    return random_recording(random_states)


@pytest.fixture(scope="module")
def table(recording) -> pd.DataFrame:
    return evaluate_recording(SPEC, recording)


def test_sums_over_components_are_the_reward_functions_totals(recording, table) -> None:
    states = recording.states
    reward = RewardFunction(SPEC, select(states, slice(0, 1)))
    sums = table.groupby(["step", "car"])["reward"].sum()
    for step in range(STEPS):
        now = select(states, slice(step, step + 1))
        if states.episode_start[step]:
            reward.reset(now, np.array([0]))
            assert step not in sums.index
            continue
        reward.step(now, slice(0, 1))
        cars = np.flatnonzero(states.car_mask[step])
        np.testing.assert_allclose(sums[step][cars], reward.total[0, cars], atol=2e-5)
        assert len(sums[step]) == len(cars)


def test_a_row_is_a_component_of_a_car_at_a_step(recording, table) -> None:
    assert list(table.columns) == [
        *("game", "step", "time", "car", "player", "team", "component"),
        *AMOUNTS,
    ]
    names = [term.name for term in SPEC.terms]
    car_steps = (recording.states.car_mask & ~recording.states.episode_start[:, None]).sum()
    assert len(table) == car_steps * len(names)
    assert list(table["component"][: len(names)]) == names
    assert set(table["component"].cat.categories) == set(names)
    row = table[(table.step == SECOND_GAME + 3) & (table.car == 3)].iloc[0]
    assert (row.game, row.player, row.team) == (1, "ann 2", "orange")
    assert row.time == pytest.approx(3 * 8 / 120)
    assert set(table[table.player == "ann"].team) == {"blue", "orange"}
    assert not table[(table.step == 42)].car.isin([3]).any()
    assert table[list(AMOUNTS)].dtypes.eq(np.float32).all()
    assert table.memory_usage(deep=True).sum() < 34 * len(table)


def test_weighted_is_weight_times_value(table) -> None:
    weights = {term.name: term.weight_at(0) for term in SPEC.terms}
    expected = table["component"].map(weights).astype(float) * table["value"]
    np.testing.assert_allclose(table["weighted"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["play.parquet", "play.csv"])
def test_tables_are_read_back(tmp_path: Path, table, name: str) -> None:
    path = tmp_path / name
    save_table(table, path)
    save_table(table, path)  # over the one that is there
    read = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    for column in table.columns:
        if isinstance(table[column].dtype, pd.CategoricalDtype):
            assert list(read[column]) == list(table[column])
        else:
            np.testing.assert_allclose(read[column], table[column], rtol=1e-6)
    if path.suffix == ".parquet":
        assert read.dtypes.equals(table.dtypes)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_another_suffix_is_refused(tmp_path: Path, table) -> None:
    with pytest.raises(ValueError, match=r"ends in \.parquet or \.csv"):
        save_table(table, tmp_path / "play.xlsx")


def test_joined_tables_keep_categories_and_count_games_on(table) -> None:
    other = table.assign(player=table["player"].cat.rename_categories(lambda name: name.upper()))
    joined = join_evaluations([table, other, table])
    assert len(joined) == 3 * len(table)
    assert set(joined["game"]) == {0, 1, 2, 3, 4, 5}
    assert joined["player"].dtype == "category"
    assert list(joined["player"]) == [*table["player"], *other["player"], *table["player"]]
    assert list(joined["component"].cat.categories) == list(table["component"].cat.categories)
