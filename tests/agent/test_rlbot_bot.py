"""An exported bot, run as RLBot runs it, plays as the checkpoint does in our environment."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from rlbot import config, flat

from lucy.agent.opponents import make_bot
from lucy.agent.opponents.policy_bot import PolicyBot
from lucy.agent.rlbot.export import export_bot
from lucy.sim.constants import GOAL_THRESHOLD_Y, TICK_SKIP
from lucy.sim.engine import ArenaPool
from lucy.sim.resets import kickoff

from ..waiting import HANG
from .rlbot_game import Game, Server, field_info


@pytest.fixture(scope="module")
def exported(lively_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lively network as a bot."""
    folder = tmp_path_factory.mktemp("bots") / "Lively Lucy"
    export_bot(lively_run, folder, deterministic=True)
    return folder


@contextmanager
def started(bot: flat.CustomBot, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The bot's process, started as RLBot does it."""
    command = bot.run_command if os.name == "nt" else shlex.split(bot.run_command)
    environment = os.environ | {"RLBOT_AGENT_ID": bot.agent_id, "RLBOT_SERVER_PORT": str(port)}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=bot.root_dir, env=environment, stdout=file, stderr=file
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


class Match:
    """Games from kickoff to kickoff in steps of eight ticks; the bot's team against a chaser."""

    def __init__(self, pool: ArenaPool, bot_cars: list[int]) -> None:
        self.pool, self.bot_cars = pool, bot_cars
        self.states = pool.states
        self._random = np.random.default_rng(11)
        cars = np.ones(self.states.car_mask.shape, np.bool_)
        cars[0, bot_cars] = False
        self._chaser = make_bot("chaser")
        self._chaser.start(self.states, cars, [np.random.default_rng()])
        self.kickoffs = 0
        self.kick_off()

    def kick_off(self) -> None:
        start = kickoff(self._random, len(self.states.car_team) // 2)
        if not self.kickoffs:  # a ball on its way into the goal
            start.ball_position[:], start.ball_linear_velocity[:] = (700, 4500, 93), (0, 2500, 0)
        self.pool.set_state(0, start)
        self.kickoffs += 1

    def oppose(self, controls: np.ndarray) -> None:
        self._chaser.act(self.states, controls)

    def is_goal(self) -> bool:
        return bool(abs(self.states.ball_position[0, 1]) > GOAL_THRESHOLD_Y)


def play_here(bot: PolicyBot, mode: str, bot_cars: list[int], steps: int) -> np.ndarray:
    """The bot's actions in our own environment: [steps,cars,8]."""
    pool = ArenaPool([mode], threads=1)
    match = Match(pool, bot_cars)
    own = np.zeros(pool.states.car_mask.shape, np.bool_)
    own[0, bot_cars] = True
    bot.start(pool.states, own, [np.random.default_rng()])
    controls = np.zeros((*own.shape, 8), np.float32)
    actions = np.zeros((steps, len(bot_cars), 8), np.float32)
    for step in range(steps):
        bot.act(pool.states, controls)
        match.oppose(controls)
        actions[step] = controls[0, bot_cars]
        pool.step(controls)
        assert not pool.states.car_is_demoed.any()  # respawns depend on the steps' length
        if match.is_goal():
            match.kick_off()
    return actions


def play_there(
    server: Server, game: Game, bot_cars: list[int], steps: int
) -> tuple[np.ndarray, int]:
    """The bot's actions in the match of a server, and the number of packets."""
    match = Match(game.pool, bot_cars)
    index = [game.players.index(car) for car in bot_cars]
    controls = np.zeros((1, len(game.players), 8), np.float32)
    actions = np.zeros((steps, len(bot_cars), 8), np.float32)
    packets = 0
    for step in range(steps):
        match.oppose(controls)
        for tick in range(TICK_SKIP):
            held = server.exchange(game.packet())
            packets += 1
            row = np.stack([held[car] for car in index])
            if tick == 0:
                actions[step] = row
            np.testing.assert_array_equal(row, actions[step])
            controls[0, bot_cars] = row
            game.step(controls)
            game.phase = flat.MatchPhase.Active
        if match.is_goal():
            for phase in (flat.MatchPhase.GoalScored, flat.MatchPhase.Countdown):
                game.phase = phase
                held = server.exchange(game.packet())
                assert not any(row.any() for row in held.values())
            match.kick_off()
            game.phase = flat.MatchPhase.Kickoff
    assert match.kickoffs > 1  # there was a goal
    return actions, packets


@pytest.mark.parametrize(
    ("mode", "players", "bot_cars", "steps"),
    [("1v1", [0, 1], [0], 125), ("2v2", [2, 0, 3, 1], [2, 3], 125)],
)
def test_an_exported_bot_plays_as_in_our_environment(
    exported: Path,
    lively_run: Path,
    tmp_path: Path,
    mode: str,
    players: list[int],
    bot_cars: list[int],
    steps: int,
) -> None:
    bot = make_bot(str(lively_run), deterministic=True)
    assert isinstance(bot, PolicyBot)
    expected = play_here(bot, mode, bot_cars, steps)
    team = int(bot_cars[0] > 0)
    game = Game(mode, players)
    variety = config.load_player_config(exported / "bot.toml", team).variety
    assert isinstance(variety, flat.CustomBot)
    match = flat.MatchConfiguration(
        player_configurations=[
            flat.PlayerConfiguration(variety, team, 100 + car) for car in bot_cars
        ]
    )
    cars = {players.index(car): 100 + car for car in bot_cars}
    log = tmp_path / "log"
    with Server(cars, team) as server, started(variety, server.port, log) as process:
        assert server.shake_hands(match, field_info()) == variety.agent_id
        actions, packets = play_there(server, game, bot_cars, steps)
        server.send(flat.DisconnectSignal())
        assert process.wait(HANG) == 0
    assert packets >= 1000
    np.testing.assert_array_equal(actions, expected)
    assert len(np.unique(actions.reshape(-1, 8), axis=0)) >= 6  # it did not just drive straight
    assert "ERROR" not in log.read_text("utf-8")
