"""What lies between a replay's frames: blends, respawns and buttons."""

import numpy as np

from lucy.sim.constants import TICK_SKIP
from lucy.sim.replay_frames import NOBODY, Frames, resample

TEAM = np.array([0, 1], np.int32)


def frames(ticks: list[float]) -> Frames:
    """Two cars that stand still, looking along x."""
    count = len(ticks)
    quaternion = np.zeros((count, 2, 4))
    quaternion[..., 0] = 1
    return Frames(
        ticks=np.array(ticks, np.float64),
        ball=np.zeros((count, 9)),
        cars=np.zeros((count, 2, 9)),
        quaternion=quaternion,
        boost=np.zeros((count, 2)),
        flags=np.zeros((count, 2, 4), np.bool_),
        victim=np.full((count, 2), NOBODY),
        counters=np.zeros((count, 2, 3), np.int32),
        pads=np.ones((count, 34), np.bool_),
        score=np.zeros((count, 2), np.int32),
        actions=np.zeros((count, 2, 8)),
        demolished_by=np.full((count, 2), NOBODY),
    )


def test_nothing_lies_between_a_wreck_and_the_car_that_is_back() -> None:
    ticks = [0.0, 6.0, 12.0, 18.0, 24.0]  # the steps of 8 and 16 fall between frames
    period = frames(ticks)
    period.flags[:3, 1, 2] = True
    assert period.demolished_by is not None
    period.demolished_by[0, 1] = 0
    period.cars[:3, 1, 0], period.cars[3:, 1, 0] = -3000, 2000
    period.quaternion[3:, 1] = 0, 0, 0, 1  # it looks the other way
    states = resample(period, TEAM)
    assert TICK_SKIP == 8
    assert states.car_is_demoed[:, 1].tolist() == [True, True, False, False]
    assert states.car_position[2:, 1, 0].tolist() == [2000, 2000]
    np.testing.assert_allclose(states.car_forward[2:, 1], [[-1, 0, 0]] * 2, atol=1e-6)


def test_a_turn_goes_the_shorter_way() -> None:
    """A quaternion and its negative are one rotation, and frames may hold either."""
    period = frames([0.0, 16.0])
    half = np.deg2rad(20) / 2
    period.quaternion[1, 0] = np.array([np.cos(half), 0, 0, np.sin(half)])
    period.quaternion[1, 1] = -period.quaternion[1, 0]
    states = resample(period, TEAM)
    expected = [np.cos(np.deg2rad(10)), np.sin(np.deg2rad(10)), 0]
    np.testing.assert_allclose(states.car_forward[1], [expected] * 2, atol=1e-6)


def test_a_button_that_was_pressed_between_two_steps_was_pressed() -> None:
    """While sticks are what they were on average."""
    period = frames([0.0, 4.0, 8.0, 12.0, 16.0])
    period.actions[1, 0, 5] = 1  # jump, from the frame in between on
    period.actions[:2, 0, 0] = 1, 0
    states = resample(period, TEAM)
    assert states.previous_action[:, 0, 5].tolist() == [0, 1, 0]
    assert states.previous_action[1, 0, 0] == 0.5
    assert not states.previous_action[:, 1].any()
