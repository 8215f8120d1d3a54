"""The adapters to RLGym v2: states, observations, resets and actions."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from rlgym.api import RLGym
from rlgym.rocket_league.action_parsers import LookupTableAction, RepeatAction
from rlgym.rocket_league.reward_functions import GoalReward
from rlgym.rocket_league.sim import RocketSimEngine
from rlgym.rocket_league.state_mutators import FixedTeamSizeMutator, KickoffMutator, MutatorSequence

from lucy.sim import resets
from lucy.sim.actions import ACTION_TABLES
from lucy.sim.engine import ArenaPool
from lucy.sim.observations import OBSERVATIONS
from lucy.sim.rlgym import LucyAction, LucyInfo, LucyObs, LucyReset, game_of
from lucy.sim.rlgym_states import new_game, read_state, to_rlgym

DOCS = Path(__file__).parents[2] / "docs"
NOT_IN_RLGYM = ("car_goals", "car_saves", "car_shots", "car_demos", "score", "previous_action")


def make_env(mutator, obs, action=None, sizes=(1, 1)) -> RLGym:
    engine = RocketSimEngine(rlbot_delay=False)
    return RLGym(
        state_mutator=MutatorSequence(FixedTeamSizeMutator(*sizes), mutator),
        obs_builder=obs,
        action_parser=RepeatAction(action or LucyAction("kbm"), repeats=8),
        reward_fn=GoalReward(),
        transition_engine=engine,
        shared_info_provider=LucyInfo(engine),
    )


@pytest.mark.parametrize("mode", ["1v1", "2v2", "3v3"])
def test_states_go_to_rlgym_and_back(mode: str) -> None:
    rng = np.random.default_rng(0)
    pool = ArenaPool([mode] * 3, threads=1)
    for arena in range(3):
        pool.set_state(arena, resets.random_state(rng, int(mode[0])))
    for _ in range(20):
        pool.step(rng.uniform(-1, 1, (3, pool.n_agents // 3, 8)).astype(np.float32))
    states = pool.states
    states.boost_pad_active[:] = rng.random((3, 34)) < 0.5
    states.car_is_demoed[1, 0] = True
    for row in range(3):
        rlgym = to_rlgym(states, row)
        game = new_game(rlgym)
        read_state(rlgym, game)
        assert game.agents[:2] == ("blue-0", "blue-1" if mode != "1v1" else "orange-0")
        for name, back in game.states._asdict().items():
            if name in (*NOT_IN_RLGYM, "car_team", "episode_start"):
                continue
            np.testing.assert_allclose(back[0], getattr(states, name)[row], rtol=1e-6, err_msg=name)


def test_rlgyms_engine_takes_our_states() -> None:
    pool = ArenaPool(["2v2"], threads=1)
    pool.set_state(0, resets.random_state(np.random.default_rng(0), 2))
    state = RocketSimEngine().set_state(to_rlgym(pool.states, 0), {})
    np.testing.assert_array_equal(state.ball.position, pool.states.ball_position[0])
    np.testing.assert_array_equal(
        [car.physics.position for car in state.cars.values()], pool.states.car_position[0]
    )


def test_the_shared_game_holds_the_actions_of_any_parser() -> None:
    env = make_env(KickoffMutator(), LucyObs(), LookupTableAction())
    env.reset()
    assert (game_of(env.shared_info).states.previous_action == 0).all()
    env.step({"blue-0": np.array([23]), "orange-0": np.array([5])})
    seen = game_of(env.shared_info).states
    np.testing.assert_array_equal(
        seen.previous_action[0], ACTION_TABLES["lookup"].controls[[23, 5]]
    )
    assert not seen.episode_start[0]


def test_resets_place_what_they_draw() -> None:
    initial = resets.random_state(np.random.default_rng(1), 2)
    env = make_env(LucyReset(lambda rng, team_size: initial), LucyObs(), sizes=(2, 2))
    env.reset()
    pool = ArenaPool(["2v2"], threads=1)
    pool.set_state(0, initial)
    theirs = game_of(env.shared_info).states
    for name, ours in pool.states._asdict().items():
        np.testing.assert_array_equal(getattr(theirs, name), ours, err_msg=name)


def test_resets_of_one_seed_are_equal_and_vary() -> None:
    mix = resets.weighted_mix({"kickoff": 1, "random": 1, "goalie": 1})
    drawn = []
    for seed in (0, 0, 1):
        env = make_env(LucyReset(mix, seed), LucyObs())
        drawn.append([env.reset()["blue-0"] for _ in range(4)])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[0][0], drawn[0][1])


@pytest.mark.parametrize(("sizes", "counted"), [((2, 1), "2 blue and 1"), ((0, 0), "0 blue and 0")])
def test_resets_want_equal_teams(sizes: tuple[int, int], counted: str) -> None:
    env = make_env(LucyReset(resets.kickoff), LucyObs(), sizes=sizes)
    with pytest.raises(ValueError, match=f"equal teams, the state has {counted} orange cars"):
        env.reset()


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_observation_space_is_the_observations_shape(name: str) -> None:
    for obs in (LucyObs(name), LucyObs(name, 2), LucyObs(name, 4, flat=True)):
        env = make_env(LucyReset(resets.kickoff, 0), obs)
        seen = env.reset()["blue-0"]
        kind, shape = env.observation_space("blue-0")
        assert kind == "real"
        assert seen.shape == (shape if isinstance(shape, tuple) else (shape,))
        assert seen.dtype == np.float32


def test_a_flat_observation_is_the_matrix_row_by_row() -> None:
    matrix, flat = (
        make_env(LucyReset(resets.kickoff, 0), LucyObs("nexto", flat=flat)).reset()
        for flat in (False, True)
    )
    np.testing.assert_array_equal(matrix["orange-0"].ravel(), flat["orange-0"])


def test_observations_of_the_last_step_stay_as_they_were() -> None:
    env = make_env(LucyReset(resets.random_state, 0), LucyObs())
    first = env.reset()["blue-0"]
    copy = first.copy()
    env.step({agent: np.array([2, 1, 0, 1, 0]) for agent in env.agents})
    np.testing.assert_array_equal(first, copy)


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_more_cars_than_rows_raise(name: str) -> None:
    env = make_env(KickoffMutator(), LucyObs(name, max_players=2), sizes=(2, 2))
    with pytest.raises(ValueError, match="an arena has 4 cars, the observation 2 rows"):
        env.reset()


def test_unequal_teams_are_shown() -> None:
    env = make_env(KickoffMutator(), LucyObs(), sizes=(1, 2))
    seen = env.reset()
    assert list(seen) == ["blue-0", "orange-0", "orange-1"]
    assert seen["orange-1"][2:, 1].tolist() == [0, 1, 1, 0, 0, 0]


def test_unknown_observation_raises() -> None:
    with pytest.raises(ValueError, match=r"unknown observation 'lucky': expected one of \['lucy'"):
        LucyObs("lucky")


def test_unknown_action_table_raises() -> None:
    with pytest.raises(ValueError, match=r"unknown action table 'kb': expected one of \['kbm'"):
        LucyAction("kb")


def test_action_spaces() -> None:
    assert LucyAction("kbm").get_action_space("blue-0") == ("multi-discrete", (3, 3, 2, 2, 2))
    assert LucyAction("lookup").get_action_space("blue-0") == ("discrete", 90)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_lookup_actions_are_rlgyms(shape: tuple[int, ...]) -> None:
    ours, theirs = LucyAction("lookup"), LookupTableAction()
    for index in range(90):
        parsed = ours.parse_actions({"a": np.full(shape, index)}, None, {})["a"]
        wanted = theirs.parse_actions({"a": np.array([index])}, None, {})["a"][0]
        np.testing.assert_array_equal(parsed, wanted)


@pytest.mark.parametrize("action", [[3, 0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0, -1]])
def test_an_action_out_of_the_table_raises(action: list[int]) -> None:
    with pytest.raises(ValueError, match=r"agent 'blue-0' chose .*'kbm' has \[3, 3, 2, 2, 2\]"):
        LucyAction("kbm").parse_actions({"blue-0": np.array(action)}, None, {})


def test_a_foreign_engine_raises() -> None:
    with pytest.raises(TypeError, match="RLGym's RocketSimEngine, got dict: pass the transition"):
        LucyInfo({})


def test_a_state_without_cars_raises() -> None:
    engine = RocketSimEngine()
    with pytest.raises(ValueError, match="the state has no cars: put a FixedTeamSizeMutator"):
        new_game(engine.create_base_state())


def test_the_documented_script_runs_as_printed(tmp_path: Path, capsys) -> None:
    text = (DOCS / "rlgym.md").read_text("utf-8")
    script = tmp_path / "script.py"
    script.write_text(text.split("```python\n")[1].split("```")[0], "utf-8")
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out.split()
    assert printed.count("blue-0") == printed.count("orange-1") == 3
    assert "nan" not in printed
