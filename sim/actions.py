"""Discrete actions: what the network chooses from, as rows of eight controls.

Controls are throttle, steer, pitch, yaw, roll (-1..1), jump, boost, handbrake (0 or 1).
"""

from itertools import product
from typing import NamedTuple

import numpy as np


class ActionTable(NamedTuple):
    """A discrete action space: the choices of each head and the controls they mean."""

    name: str  # its version: a checkpoint trained on one table plays on no other
    heads: tuple[str, ...]
    nvec: np.ndarray  # [heads] choices of each
    controls: np.ndarray  # [prod(nvec),8] float32, in the heads' mixed radix order

    def parse(self, actions: np.ndarray) -> np.ndarray:
        """The controls of chosen actions.

        Args:
            actions: [...,heads] integers, each below its head's number of choices.

        Returns:
            [...,8] float32.
        """
        index = actions[..., 0]
        for head in range(1, len(self.nvec)):
            index = index * self.nvec[head] + actions[..., head]
        return self.controls[index]


def _kbm() -> np.ndarray:
    """Keyboard play: one key for throttle and pitch, one for steer, yaw and roll.

    Pitch is -throttle, as in the published agent: forward lowers the nose. Handbrake
    turns yaw into roll. Source: Lucy's action parser.
    """
    rows = []
    for throttle, steer, jump, boost, handbrake in product(range(3), range(3), *[range(2)] * 3):
        throttle, steer = throttle - 1, steer - 1
        yaw, roll = steer * (1 - handbrake), steer * handbrake
        rows.append((throttle, steer, -throttle, yaw, roll, jump, boost, handbrake))
    return np.array(rows, np.float32) + np.float32(0)  # turns -0 into 0


def _lookup() -> np.ndarray:
    """Nexto's 90 actions: 24 on the ground, 66 in the air. Source: RLGym v2 `LookupTableAction`."""
    rows = []
    for throttle, steer, boost, handbrake in product((-1, 0, 1), (-1, 0, 1), (0, 1), (0, 1)):
        if boost and throttle != 1:
            continue
        rows.append((throttle or boost, steer, 0, steer, 0, 0, boost, handbrake))
    for pitch, yaw, roll, jump, boost in product(
        (-1, 0, 1), (-1, 0, 1), (-1, 0, 1), (0, 1), (0, 1)
    ):
        if jump and yaw:  # a sideways dodge is a roll
            continue
        if pitch == roll == jump == 0:  # said on the ground already
            continue
        handbrake = jump and (pitch or yaw or roll) != 0
        rows.append((boost, yaw, pitch, yaw, roll, jump, boost, handbrake))
    return np.array(rows, np.float32)


ACTION_TABLES = {
    table.name: table
    for table in (
        ActionTable(
            "kbm",
            ("throttle", "steer", "jump", "boost", "handbrake"),
            np.array([3, 3, 2, 2, 2]),
            _kbm(),
        ),
        ActionTable("lookup", ("row",), np.array([90]), _lookup()),
    )
}
