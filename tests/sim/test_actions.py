"""Action tables: what every choice means."""

from itertools import product

import numpy as np
import pytest
from rlgym.rocket_league.action_parsers import LookupTableAction

from lucy.sim.actions import ACTION_TABLES

THROTTLE, STEER, PITCH, YAW, ROLL, JUMP, BOOST, HANDBRAKE = range(8)
KBM, LOOKUP = ACTION_TABLES["kbm"], ACTION_TABLES["lookup"]


def test_kbm_has_72_distinct_actions() -> None:
    assert KBM.controls.shape == (72, 8)
    assert len(np.unique(KBM.controls, axis=0)) == 72
    assert KBM.nvec.tolist() == [3, 3, 2, 2, 2]


@pytest.mark.parametrize("choice", list(product(range(3), range(3), *[range(2)] * 3)))
def test_kbm_action_means_its_keys(choice: tuple[int, ...]) -> None:
    throttle, steer, jump, boost, handbrake = choice
    controls = KBM.parse(np.array(choice))
    assert controls[THROTTLE] == throttle - 1
    assert controls[STEER] == steer - 1
    assert controls[PITCH] == 1 - throttle  # forward lowers the nose
    assert controls[YAW] == (0 if handbrake else steer - 1)
    assert controls[ROLL] == (steer - 1 if handbrake else 0)
    assert controls[[JUMP, BOOST, HANDBRAKE]].tolist() == [jump, boost, handbrake]


def test_lookup_table_is_rlgyms() -> None:
    np.testing.assert_array_equal(LOOKUP.controls, LookupTableAction.make_lookup_table())


@pytest.mark.parametrize("table", ACTION_TABLES.values(), ids=ACTION_TABLES.keys())
def test_parse_counts_through_the_table_in_order(table) -> None:
    choices = np.array(list(product(*(range(n) for n in table.nvec))))
    np.testing.assert_array_equal(table.parse(choices), table.controls)


@pytest.mark.parametrize("table", ACTION_TABLES.values(), ids=ACTION_TABLES.keys())
def test_parse_keeps_leading_axes(table) -> None:
    rng = np.random.default_rng(0)
    choices = rng.integers(0, table.nvec, (5, 4, len(table.nvec)))
    controls = table.parse(choices)
    assert controls.shape == (5, 4, 8)
    assert controls.dtype == np.float32
    np.testing.assert_array_equal(controls[3, 2], table.parse(choices[3, 2]))


def test_no_table_holds_a_negative_zero() -> None:
    # The engine looks controls up by their bytes, where -0 is another action than 0
    for table in ACTION_TABLES.values():
        assert not np.signbit(table.controls[table.controls == 0]).any()
