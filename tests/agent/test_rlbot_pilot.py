"""Decisions fall where training's steps do, though packets come late or not at all."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from rlbot import flat

from lucy.agent.rlbot.pilot import Pilot, StepClock
from lucy.sim.resets import kickoff
from lucy.sim.state import GameStates

from .rlbot_game import Game, field_info


def test_steps_last_eight_ticks() -> None:
    clock = StepClock()
    assert [tick for tick in range(100, 133) if clock.is_due(tick)] == [100, 108, 116, 124, 132]


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        (range(0, 40, 2), [0, 8, 16, 24, 32]),  # 60 packets a second
        ([0, 7, 10, 15, 17, 23, 24], [0, 10, 17, 24]),  # late once or twice: no drift
        ([0, 8, 31, 32, 38, 39, 47], [0, 8, 31, 39, 47]),  # whole steps missed: count anew
        ([5000, 5007, 3, 8, 11], [5000, 3, 11]),  # another match
    ],
)
def test_missed_packets(ticks: list[int], expected: list[int]) -> None:
    clock = StepClock()
    assert [tick for tick in ticks if clock.is_due(tick)] == expected


class Witness:
    """A bot that keeps what it is shown and answers with the number of the call."""

    name = "witness"

    def __init__(self) -> None:
        self.shown: list[GameStates] = []
        self.starts: list[np.ndarray] = []

    def start(self, states: GameStates, cars: np.ndarray, random: list[Any]) -> None:
        self.starts.append(cars.copy())

    def act(self, states: GameStates, controls: np.ndarray) -> None:
        self.shown.append(GameStates(*(array.copy() for array in states)))
        controls[self.starts[-1]] = np.float32(len(self.shown) / 100)


@pytest.fixture
def witnessed() -> Iterator[tuple[Game, Witness, Callable[[int], list[float]]]]:
    """A 2v2 of which a witness drives the two orange cars, players 0 and 2."""
    game, witness = Game("2v2", [2, 0, 3, 1]), Witness()
    game.pool.set_state(0, kickoff(np.random.default_rng(0), 2))
    pilot = Pilot(witness, field_info(), [0, 2])

    def play(ticks: int) -> list[float]:
        throttle = []
        for _ in range(ticks):
            held = pilot.act(game.packet())
            assert sorted(held) == [0, 2]
            np.testing.assert_array_equal(held[0], held[2])
            throttle.append(round(100 * float(held[0][0])))
            controls = np.zeros((1, 4, 8), np.float32)
            controls[0, [2, 3]] = held[0]
            game.step(controls)
        return throttle

    yield game, witness, play
    game.pool.close()


def test_actions_are_held_and_shown_back(
    witnessed: tuple[Game, Witness, Callable[[int], list[float]]],
) -> None:
    _, witness, play = witnessed
    assert play(20) == [1] * 8 + [2] * 8 + [3] * 4
    np.testing.assert_array_equal(witness.starts, [[[False, False, True, True]]])
    first, second, third = witness.shown
    assert first.episode_start[0]
    assert not second.episode_start[0]
    assert not first.previous_action.any()
    assert (second.previous_action[0, 2:, :5] == np.float32(0.01)).all()
    assert (third.previous_action[0, 2:] == np.float32(0.02)).all()  # ours, to the bit
    assert not third.previous_action[0, :2].any()


def test_play_begins_anew_with_every_kickoff(
    witnessed: tuple[Game, Witness, Callable[[int], list[float]]],
) -> None:
    game, witness, play = witnessed
    game.phase = flat.MatchPhase.Countdown
    assert play(3) == [0, 0, 0]
    game.phase = flat.MatchPhase.Kickoff
    assert play(5) == [1] * 5
    game.phase = flat.MatchPhase.Active  # the ball was touched: play goes on
    assert play(5) == [1] * 3 + [2] * 2
    game.phase = flat.MatchPhase.Paused
    assert play(20) == [2] * 20
    for phase in (flat.MatchPhase.GoalScored, flat.MatchPhase.Replay, flat.MatchPhase.Countdown):
        game.phase = phase
        assert play(3) == [0] * 3
    game.phase = flat.MatchPhase.Kickoff
    assert play(2) == [3, 3]
    assert [bool(states.episode_start[0]) for states in witness.shown] == [True, False, True]
    assert len(witness.starts) == 1


def test_without_a_ball_nobody_moves() -> None:
    game, witness = Game("1v1"), Witness()
    pilot = Pilot(witness, field_info(), [0])
    assert not pilot.act(flat.GamePacket(game.packet().players))[0].any()
    assert not witness.shown


def test_players_come_and_go() -> None:
    game, witness = Game("2v2"), Witness()
    game.pool.set_state(0, kickoff(np.random.default_rng(0), 2))
    pilot = Pilot(witness, field_info(), [1])
    pilot.act(game.packet())
    game.players = [0, 1, 3]
    for _ in range(9):
        game.step(np.zeros((1, 4, 8), np.float32))
        pilot.act(game.packet())
    assert [cars.tolist() for cars in witness.starts] == [
        [[False, True, False, False]],
        [[False, True, False]],
    ]
    assert witness.shown[-1].car_team.tolist() == [0, 0, 1]
    assert witness.shown[-1].episode_start[0]
