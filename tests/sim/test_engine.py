"""`ArenaPool` against RLGym v2's engine, and against itself in other arrangements."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from rlgym.rocket_league.api import Car, GameState, PhysicsObject
from rlgym.rocket_league.common_values import BOOST_CONSUMPTION_RATE, BOOST_LOCATIONS
from rlgym.rocket_league.sim import RocketSimEngine

from lucy.sim import resets
from lucy.sim.constants import BOOST_PAD_POSITIONS, GOAL_THRESHOLD_Y
from lucy.sim.engine import TEAM_SIZES, ArenaPool
from lucy.sim.resets import InitialState
from lucy.sim.state import GameStates

STEPS = 1000
STEPS_TO_RESPAWN = 45  # 3 s; where a car comes back is RocketSim's own chance
RAM_STEPS = 2  # until `ram` has hit


def ram(rng: np.random.Generator, team_size: int) -> InitialState:
    """The first orange car behind the first blue one, at a speed that demolishes."""
    state = resets.kickoff_like(rng, team_size)
    victim, hunter = 0, team_size
    position, velocity, axes = map(np.array, (*state[3:5], state.car_rotation))
    forward = state.car_rotation[victim, 0]
    axes[hunter] = axes[victim]
    position[hunter] = position[victim] - 350 * forward
    velocity[hunter] = 2290 * forward
    return state._replace(car_position=position, car_linear_velocity=velocity, car_rotation=axes)


def initial_state(rng: np.random.Generator, episode: int, team_size: int) -> InitialState:
    sources = (resets.kickoff, ram, resets.goalie, resets.random_state)
    state = sources[episode % len(sources)](rng, team_size)
    used = rng.random(len(BOOST_LOCATIONS)) < 0.2
    cooldown = np.where(used, rng.uniform(0.1, 4, len(BOOST_LOCATIONS)), 0.0)
    return state._replace(boost_pad_cooldown=cooldown)


class Drivers:
    """The first car plays the ball, the others roam: controls of one arena."""

    def __init__(self, cars: int, rng: np.random.Generator) -> None:
        self.rng, self.controls = rng, np.zeros((cars, 8), np.float32)

    def __call__(self, states: GameStates) -> np.ndarray:
        rng, controls = self.rng, self.controls
        for car in np.flatnonzero(rng.random(len(controls)) < 0.1):
            controls[car, :5] = rng.uniform(-1, 1, 5)
            controls[car, 5:] = rng.random(3) < (0.5, 0.5, 0.1)
        way = states.ball_position[0] - states.car_position[0, 0]
        angle = np.arctan2(states.car_right[0, 0] @ way, states.car_forward[0, 0] @ way)
        controls[0] = 0
        controls[0, 0] = 1
        controls[0, [1, 3]] = np.clip(2 * angle, -1, 1)
        controls[0, 5] = rng.random() < 0.05
        controls[0, 6] = abs(angle) < 0.5
        return controls.copy()


def crowded(states: GameStates) -> bool:
    """Whether three or more cars share the field and two of them may touch."""
    alive = states.car_position[0, ~states.car_is_demoed[0]]
    gaps = np.linalg.norm(alive[:, None] - alive, axis=-1) + 1e9 * np.eye(len(alive))
    return len(alive) > 2 and gaps.min() < 250


def to_rlgym(engine: RocketSimEngine, initial: InitialState) -> GameState:
    def physics(position, velocity, spin, axes) -> PhysicsObject:
        it = PhysicsObject()
        it.position, it.linear_velocity, it.angular_velocity = position, velocity, spin
        it.rotation_mtx = axes.T
        return it

    state = engine.create_base_state()
    # RLGym rounds the rate; RocketSim's own is what the reference trajectories show
    state.config.boost_consumption = 100 / 3 / BOOST_CONSUMPTION_RATE
    state.ball = physics(*initial[:3], np.eye(3))
    state.boost_pad_timers = initial.boost_pad_cooldown
    for i in range(len(initial.car_position)):
        car = Car()
        for name in Car.__slots__:
            setattr(car, name, False if name.startswith(("is_", "has_")) else 0)
        car.physics = physics(*(field[i] for field in initial[3:7]))
        car.team_num = int(i >= len(initial.car_position) // 2)
        car.on_ground = bool(initial.car_on_ground[i])
        car.boost_amount = 100 * float(initial.car_boost[i])
        car.flip_torque = np.zeros(3)
        car.bump_victim_id = None
        state.cars[i] = car
    return state


def from_rlgym(state: GameState) -> dict[str, np.ndarray]:
    """RLGym's state under the names of `GameStates`."""
    cars = list(state.cars.values())
    fields = {
        "ball_position": state.ball.position,
        "ball_linear_velocity": state.ball.linear_velocity,
        "ball_angular_velocity": state.ball.angular_velocity,
        "car_boost": np.float32([car.boost_amount for car in cars]) / np.float32(100),
        "car_on_ground": [car.on_ground for car in cars],
        "car_has_flip": [car.has_flip for car in cars],
        "car_is_demoed": [car.is_demoed for car in cars],
        "car_ball_touched": [car.ball_touches > 0 for car in cars],
        "boost_pad_active": state.boost_pad_timers == 0,
    }
    for name in ("position", "linear_velocity", "angular_velocity", "forward", "right", "up"):
        fields[f"car_{name}"] = [getattr(car.physics, name) for car in cars]
    return {name: np.array(value) for name, value in fields.items()}


def assert_same_as_rlgym(states: GameStates, theirs: GameState) -> None:
    wanted = from_rlgym(theirs)
    alive = ~wanted["car_is_demoed"]
    for name, want in wanted.items():
        ours = getattr(states, name)[0]
        if name in ("car_forward", "car_right", "car_up"):
            # Of a wreck RLGym shows how the car stood a tick before, RocketSim how it lies
            ours, want = ours[alive], want[alive]
        assert ours.shape == want.shape, name
        np.testing.assert_array_equal(ours, want, err_msg=name)


@pytest.mark.parametrize("mode", TEAM_SIZES)
def test_thousand_steps_are_bit_equal_to_rlgym(mode: str) -> None:
    team_size = TEAM_SIZES[mode]
    rng = np.random.default_rng(0)
    seen = Counter()
    episode = 0
    while seen["steps"] < STEPS:
        initial = initial_state(rng, episode, team_size)
        episode += 1
        # A new engine each: in one that was used before, RLGym's cars collide in another order
        engine = RocketSimEngine(rlbot_delay=False)
        theirs = engine.set_state(to_rlgym(engine, initial), {})
        pool = ArenaPool([mode])
        states = pool.states
        pool.set_state(0, initial)
        assert_same_as_rlgym(states, theirs)
        drivers = Drivers(2 * team_size, rng)
        wreck_steps = 0
        for step in range(100):
            before = GameStates(*(array.copy() for array in states))
            controls = drivers(states)
            theirs = engine.step({i: np.tile(row, (8, 1)) for i, row in enumerate(controls)}, {})
            pool.step(controls[None])
            assert_same_as_rlgym(states, theirs)
            goal = abs(states.ball_position[0, 1]) > GOAL_THRESHOLD_Y
            seen["steps"] += 1
            seen["goals"] += goal
            seen["in the air"] += (~states.car_on_ground).sum()
            seen["flips used"] += (before.car_has_flip & ~states.car_has_flip).sum()
            seen["boosting"] += (states.car_boost < before.car_boost).sum()
            seen["pickups"] += (states.car_boost > before.car_boost).sum()
            seen["pads back"] += (states.boost_pad_active & ~before.boost_pad_active).sum()
            seen["touches"] += states.car_ball_touched.sum()
            seen["demolitions"] += (states.car_is_demoed & ~before.car_is_demoed).sum()
            wreck_steps += states.car_is_demoed.any()
            # Cars are updated in the order of their addresses, which decides how several collide
            piling_up = step > RAM_STEPS and crowded(states)
            if goal or piling_up or wreck_steps == STEPS_TO_RESPAWN - 1:
                break
    wanted = {"in the air", "flips used", "boosting", "pickups", "pads back", "touches"}
    assert wanted | {"goals", "demolitions"} <= {name for name, count in seen.items() if count}


def kickoffs(modes: Sequence[str]) -> list[InitialState]:
    return [
        resets.kickoff(np.random.default_rng(arena), TEAM_SIZES[mode])
        for arena, mode in enumerate(modes)
    ]


def random_controls(steps: int, modes: Sequence[str]) -> list[list[np.ndarray]]:
    """Held for five steps each: [steps][arena] of [cars,8]."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(-(-steps // 5)):
        arenas = [rng.uniform(-1, 1, (2 * TEAM_SIZES[mode], 8)) for mode in modes]
        held += [[controls.astype(np.float32) for controls in arenas]] * 5
    return held[:steps]


def play(
    pool: ArenaPool, initials: Sequence[InitialState], controls: Sequence[Sequence[np.ndarray]]
) -> dict[str, np.ndarray]:
    """Every field of the states over the steps: [steps,A,...]."""
    for arena, initial in enumerate(initials):
        pool.set_state(arena, initial)
    mask = pool.states.car_mask
    actions = np.full((*mask.shape, 8), np.nan, np.float32)  # of empty slots: ignored
    trajectory = []
    for arenas in controls:
        actions[mask] = np.concatenate(arenas)
        states = pool.step(actions)
        trajectory.append([array.copy() for array in states])
    fields = map(np.array, zip(*trajectory, strict=True))
    return dict(zip(GameStates._fields, fields, strict=True))


def assert_same_play(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    for name in GameStates._fields:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


MIXED = ["1v1", "3v3", "2v2"]


def test_mixed_pool_equals_separate_pools() -> None:
    controls = random_controls(60, MIXED)
    initials = kickoffs(MIXED)
    mixed = play(ArenaPool(MIXED), initials, controls)
    for arena, mode in enumerate(MIXED):
        own = [[arenas[arena]] for arenas in controls]
        alone = play(ArenaPool([mode]), initials[arena : arena + 1], own)
        slots = mixed["car_mask"][0, arena]
        for name in set(GameStates._fields) - {"car_team", "car_mask"}:
            ours = mixed[name][:, arena]
            if name.startswith("car_") or name == "previous_action":
                assert name == "previous_action" or not ours[:, ~slots].any(), name
                ours = ours[:, slots]
            np.testing.assert_array_equal(ours, alone[name][:, 0], err_msg=name)


def test_car_mask_gives_each_team_its_slots() -> None:
    states = ArenaPool(MIXED).states
    assert states.car_team.tolist() == [0, 0, 0, 1, 1, 1]
    assert states.car_mask.astype(int).tolist() == [
        [1, 0, 0, 1, 0, 0],
        [1, 1, 1, 1, 1, 1],
        [1, 1, 0, 1, 1, 0],
    ]


def test_n_agents_counts_cars() -> None:
    assert ArenaPool(MIXED).n_agents == 12


def test_order_of_arenas_changes_no_trajectory() -> None:
    modes = ["1v1"] * 5
    initials, controls = kickoffs(modes), random_controls(100, modes)
    straight = play(ArenaPool(modes), initials, controls)
    turned = play(ArenaPool(modes), initials[::-1], [arenas[::-1] for arenas in controls])
    for name in set(GameStates._fields) - {"car_team"}:
        np.testing.assert_array_equal(turned[name][:, ::-1], straight[name], err_msg=name)


@pytest.mark.parametrize("threads", [2, 3])
def test_number_of_threads_changes_no_trajectory(threads: int) -> None:
    modes = ["1v1", "2v2"] * 5
    initials, controls = kickoffs(modes), random_controls(60, modes)
    one = play(ArenaPool(modes, threads=1), initials, controls)
    pool = ArenaPool(modes, threads=threads)
    assert pool.threads == threads
    several = play(pool, initials, controls)
    pool.close()
    assert_same_play(one, several)


@pytest.mark.parametrize("arenas", [1, 2, 7, 16, 33])
def test_chunks_cover_every_arena_once(arenas: int) -> None:
    pool = ArenaPool(["1v1"] * arenas, threads=2)
    covered = [np.arange(chunk.start, chunk.stop) for chunk in pool.chunks]
    assert np.concatenate(covered).tolist() == list(range(arenas))
    for chunk in pool.chunks:
        assert np.shares_memory(chunk.states.car_boost, pool.states.car_boost[chunk.start])
    assert pool.map(lambda chunk: chunk.start) == [chunk.start for chunk in pool.chunks]
    pool.close()


def test_forgetting_controls_changes_no_trajectory(monkeypatch: pytest.MonkeyPatch) -> None:
    modes = ["2v2"] * 2
    initials, controls = kickoffs(modes), random_controls(40, modes)
    remembering = play(ArenaPool(modes), initials, controls)
    monkeypatch.setattr("lucy.sim.engine._MAX_REMEMBERED_CONTROLS", 5)
    assert_same_play(play(ArenaPool(modes), initials, controls), remembering)


def test_continuous_controls_beyond_the_memory_work() -> None:
    cache = ArenaPool(["1v1"])._controls
    keys = np.random.default_rng(0).uniform(-1, 1, (100_010, 8)).astype(np.float32)
    for key in keys.view("V32")[:, 0].tolist():
        controls = cache[key]
    assert len(cache) <= 100_000
    assert (controls.throttle, controls.roll) == (keys[-1, 0], keys[-1, 4])
    assert [controls.jump, controls.boost, controls.handbrake] == (keys[-1, 5:] > 0.5).tolist()


def test_boost_pads_come_in_rlgyms_order() -> None:
    np.testing.assert_allclose(BOOST_PAD_POSITIONS, BOOST_LOCATIONS, atol=2.1)
    pool = ArenaPool(["1v1"])
    initial = resets.kickoff(np.random.default_rng(0), 1)
    for pad, location in enumerate(BOOST_LOCATIONS):
        position = np.array([[location[0], location[1], 17], [1000, 3000, 17]])
        pool.set_state(0, initial._replace(car_position=position, car_boost=np.zeros(2)))
        states = pool.step(np.zeros((1, 2, 8), np.float32))
        assert np.flatnonzero(~states.boost_pad_active[0]).tolist() == [pad]
        assert states.car_boost[0, 0] == np.float32(1 if location[2] == 73 else 0.12)


def test_set_state_shows_the_state_as_given() -> None:
    pool = ArenaPool(["2v2"] * 2)
    kickoff = resets.kickoff(np.random.default_rng(0), 2)
    on_the_ball = np.append(kickoff.car_position[:3], [[0, -100, 17]], axis=0)
    pool.set_state(1, kickoff._replace(car_position=on_the_ball))
    assert pool.step(np.ones((2, 4, 8), np.float32)).car_ball_touched[1, 3]
    initial = initial_state(np.random.default_rng(3), 3, 2)
    pool.set_state(1, initial)
    states = pool.states
    for name in ("ball_position", "ball_linear_velocity", "ball_angular_velocity"):
        np.testing.assert_allclose(getattr(states, name)[1], getattr(initial, name), rtol=1e-5)
    for name in ("position", "linear_velocity", "angular_velocity", "boost", "on_ground"):
        given = getattr(initial, f"car_{name}")
        np.testing.assert_allclose(getattr(states, f"car_{name}")[1], given, rtol=1e-5, atol=1e-3)
    axes = np.stack([states.car_forward[1], states.car_right[1], states.car_up[1]], axis=1)
    np.testing.assert_allclose(axes, initial.car_rotation, atol=1e-6)
    np.testing.assert_array_equal(states.boost_pad_active[1], initial.boost_pad_cooldown == 0)
    assert states.car_has_flip[1].all()
    assert not (states.car_is_demoed[1].any() or states.car_ball_touched[1].any())
    assert not states.previous_action[1].any()
    assert states.episode_start.tolist() == [False, True]


def test_step_clears_episode_start_and_keeps_the_action() -> None:
    pool = ArenaPool(["1v1"] * 2)
    for arena, initial in enumerate(kickoffs(["1v1"] * 2)):
        pool.set_state(arena, initial)
    assert pool.states.episode_start.all()
    actions = np.random.default_rng(0).uniform(-1, 1, (2, 2, 8)).astype(np.float32)
    states = pool.step(actions)
    assert states is pool.states
    assert not states.episode_start.any()
    np.testing.assert_array_equal(states.previous_action, actions)


def test_a_goal_counts_once_for_the_side_that_scored() -> None:
    pool = ArenaPool(["1v1"])
    kickoff = resets.kickoff(np.random.default_rng(0), 1)
    for side, score in ((1, [1, 0]), (-1, [1, 1])):
        shot = kickoff._replace(
            ball_position=np.array([0, 4800 * side, 200]),
            ball_linear_velocity=np.array([0, 2000 * side, 0]),
        )
        pool.set_state(0, shot)
        for _ in range(8):
            states = pool.step(np.zeros((1, 2, 8), np.float32))
        assert abs(states.ball_position[0, 1]) > GOAL_THRESHOLD_Y
        assert states.score[0].tolist() == score


@pytest.mark.parametrize(
    ("ball_y", "ball_speed", "car_speed", "goals", "shots", "saves"),
    [(3500, 0, 2000, [1, 0], [1, 0], [0, 0]), (2500, 1800, 2000, [0, 0], [1, 0], [0, 1])],
    ids=["goal", "save"],
)
def test_goals_shots_and_saves_count_for_their_car(
    ball_y: float, ball_speed: float, car_speed: float, goals: list, shots: list, saves: list
) -> None:
    pool = ArenaPool(["1v1"])
    shooter_and_keeper = resets.kickoff(np.random.default_rng(0), 1)._replace(
        ball_position=np.array([0, ball_y, 93.15]),
        ball_linear_velocity=np.array([0, ball_speed, 0]),
        car_position=np.array([[0, ball_y - 180, 17], [0, 4900, 17]]),
        car_linear_velocity=np.array([[0, car_speed, 0], [0, 0, 0]]),
        car_rotation=resets.rotation(np.array([np.pi / 2, -np.pi / 2])),
    )
    pool.set_state(0, shooter_and_keeper)
    keeper_charges = np.zeros((1, 2, 8), np.float32)
    keeper_charges[0, 1, [0, 6]] = 1
    for _ in range(16):
        states = pool.step(keeper_charges)
    assert states.car_goals[0].tolist() == goals
    assert states.car_shots[0].tolist() == shots
    assert states.car_saves[0].tolist() == saves


def test_a_demolition_counts_for_the_hunter() -> None:
    pool = ArenaPool(["2v2"])
    pool.set_state(0, ram(np.random.default_rng(0), 2))
    for _ in range(RAM_STEPS + 1):
        states = pool.step(np.zeros((1, 4, 8), np.float32))
    assert states.car_is_demoed[0].tolist() == [True, False, False, False]
    assert states.car_demos[0].tolist() == [0, 0, 1, 0]


def test_wrong_number_of_cars_raises() -> None:
    pool = ArenaPool(["1v1", "2v2"])
    with pytest.raises(ValueError, match="arena 1 has 4 cars, the initial state 2"):
        pool.set_state(1, resets.kickoff(np.random.default_rng(0), 1))


def test_unknown_mode_raises() -> None:
    with pytest.raises(ValueError, match=r"expected modes out of \['1v1', '2v2', '3v3'\], got"):
        ArenaPool(["1v1", "4v4"])


def test_no_arena_raises() -> None:
    with pytest.raises(ValueError, match="got none"):
        ArenaPool([])


def test_a_used_arena_plays_like_a_new_one() -> None:
    modes = ["1v1"] * 3
    initials, controls = kickoffs(modes), random_controls(30, modes)
    used = ArenaPool(modes)
    play(used, initials[::-1], random_controls(35, modes)[5:])
    assert_same_play(play(used, initials, controls), play(ArenaPool(modes), initials, controls))


def test_demolished_cars_come_back_where_they_did() -> None:
    modes = ["1v1"] * 8
    initials = [ram(np.random.default_rng(arena), 1) for arena in range(8)]
    idle = [[np.zeros((2, 8), np.float32)] * 8] * (STEPS_TO_RESPAWN + 5)
    one, other = (play(ArenaPool(modes), initials, idle) for _ in range(2))
    assert one["car_is_demoed"][STEPS_TO_RESPAWN - 5, :, 0].all()
    assert not one["car_is_demoed"][-1].any()
    np.testing.assert_array_equal(one["car_position"], other["car_position"])


def test_a_car_that_comes_back_touches_nothing_on_the_way() -> None:
    modes, spot = ["2v2"] * 8, (-2304, -4608, 17)  # one of the four where blue cars come back
    initials = [ram(np.random.default_rng(arena), 2) for arena in range(8)]
    for initial in initials:
        initial.car_position[1] = spot
    idle = [[np.zeros((4, 8), np.float32)] * 8] * (STEPS_TO_RESPAWN + 5)
    one, other = (play(ArenaPool(modes), initials, idle) for _ in range(2))
    assert one["car_is_demoed"][STEPS_TO_RESPAWN - 5, :, 0].all()
    assert_same_play(one, other)


def test_all_arenas_update_their_cars_in_the_same_order() -> None:
    initial = resets.kickoff(np.random.default_rng(0), 3)
    angle = np.arange(6) * np.pi / 3
    around_a_pad = np.column_stack(
        [150 * np.cos(angle) - 3584, 150 * np.sin(angle), np.full(6, 17)]
    )
    # Later pools find gaps in the memory that the earlier ones have left
    for pool in [ArenaPool(["3v3"] * arenas) for arenas in (20, 1, 5, 3, 5, 2, 5, 4, 5)]:
        arenas = len(pool.states.score)
        for first in range(5):
            position = np.where(np.arange(6)[:, None] < first, initial.car_position, around_a_pad)
            contest = initial._replace(car_position=position, car_boost=np.zeros(6))
            for arena in range(arenas):
                pool.set_state(arena, contest)
            winners = pool.step(np.zeros((arenas, 6, 8), np.float32)).car_boost.argmax(axis=1)
            assert winners.tolist() == [first] * arenas
