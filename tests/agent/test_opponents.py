"""Necto and Nexto against their published outputs, and how bots are named."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from lucy.agent.match import play
from lucy.agent.opponents import BotError, make_bot
from lucy.agent.opponents.bot_files import ARCHITECTURES, bots_folder, installed_bots
from lucy.agent.opponents.import_path import ImportPathError
from lucy.agent.opponents.kickoff import ScriptedKickoff, _takers
from lucy.agent.opponents.network_bot import TILE, choose, in_tiles
from lucy.agent.opponents.networks import NectoNetwork, NextoNetwork
from lucy.agent.opponents.published import TABLES, sharpness
from lucy.sim.state import GameStates, allocate, team_slots

VARIANTS = {
    "necto": "necto_logits/regular",
    "necto-10y": "necto_logits/10Y",
    "necto-20y": "necto_logits/20Y",
    "necto-30y": "necto_logits/30Y",
    "nexto": "nexto_logits",
}


@pytest.fixture
def own_bots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bots folder with networks of fresh weights, `necto-new` and `nexto-new`."""
    torch.manual_seed(0)
    for name, network in ARCHITECTURES.items():
        tensors = {key: value.numpy() for key, value in network().state_dict().items()}
        safetensors.numpy.save_file(tensors, tmp_path / f"{name}-new.safetensors")
    monkeypatch.setenv("LUCY_BOTS", str(tmp_path))
    return tmp_path


def published_network(opponents: Path, variant: str) -> torch.nn.Module:
    network = NextoNetwork() if variant == "nexto" else NectoNetwork()
    tensors = safetensors.numpy.load_file(opponents / f"{variant}.safetensors")
    network.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    return network


@pytest.mark.parametrize("variant", VARIANTS)
def test_golden_logits(variant: str, golden, opponents: Path) -> None:
    wanted = golden[VARIANTS[variant]]
    observations = torch.from_numpy(golden[f"{variant[:5]}_obs"]).flatten(0, 1)
    with torch.inference_mode():
        logits = published_network(opponents, variant)(observations).numpy()
    # The aim is 2e-3; a mask that leaks, another scale of the scores or a norm left out is off by 1
    np.testing.assert_allclose(logits, wanted.reshape(logits.shape), atol=1e-3)


# By cars: how many steps to look at, and some of those who drove in them. At the end of those of
# 2v2 and 3v3 a car is demolished
RECORDED = {
    2: (300, [("nexto", 0), ("necto", 1)]),
    4: (760, [("necto", 2)]),
    6: (440, [("necto", 0), ("nexto", 4)]),
}


def test_published_bots_play_as_they_did(
    golden, opponents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCY_BOTS", str(opponents))
    cars = len(golden["state/car_team"])
    steps, drivers = RECORDED[cars]
    fields = [name for name in GameStates._fields if name not in ("car_team", "car_mask")]
    recorded = {name: golden[f"state/{name}"] for name in fields}
    follows = ~recorded["episode_start"][1 : steps + 1]
    for name, seat in drivers:
        played = allocate(np.ones((1, cars), np.bool_), team_slots(cars // 2))
        bot, controls = make_bot(name), np.zeros((1, cars, 8), np.float32)
        bot.start(played, np.arange(cars)[None] == seat, [np.random.default_rng(0)])
        chosen = []
        for step in range(steps):
            for field, values in recorded.items():
                getattr(played, field)[0] = values[step]
            bot.act(played, controls)
            chosen.append(controls[0, seat].copy())
        same = (np.stack(chosen) == recorded["previous_action"][1 : steps + 1, seat]).all(axis=1)
        # Here all are; on another processor two logits that are nearly equal may change places
        assert same[follows].mean() > 0.995, (name, seat)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_row_of_a_tile_depends_on_itself_alone(architecture: str, golden) -> None:
    torch.manual_seed(1)
    module = ARCHITECTURES[architecture]()
    observations = golden[f"{architecture}_obs"]
    observations = observations.reshape(-1, *observations.shape[2:])[: 2 * TILE + 5]

    def network(tile: np.ndarray) -> np.ndarray:
        assert len(tile) == TILE
        with torch.inference_mode():
            return module(torch.from_numpy(tile)).numpy()

    together = in_tiles(network, observations)
    order = np.random.default_rng(0).permutation(len(observations))
    np.testing.assert_array_equal(in_tiles(network, observations[order]), together[order])
    alone = np.concatenate([in_tiles(network, one[None]) for one in observations[:3]])
    np.testing.assert_array_equal(alone, together[:3])
    assert in_tiles(network, observations[:0]).shape == (0, together.shape[1])


def test_necto_s_controls_are_the_published() -> None:
    heads = np.array([(2, 0, 1, 0, 0), (0, 2, 0, 1, 1), (1, 1, 0, 0, 0)])
    np.testing.assert_array_equal(
        TABLES["necto"].parse(heads),
        [
            # throttle, steer, pitch, yaw, roll, jump, boost, handbrake
            (1, -1, 1, -1, 0, 1, 0, 0),
            (-1, 1, -1, 0, 1, 0, 1, 1),
            (0, 0, 0, 0, 0, 0, 0, 0),
        ],
    )


def test_beta_is_the_published_sharpness() -> None:
    assert sharpness(1) == np.inf
    assert sharpness(0.5) == pytest.approx(1)
    assert sharpness(0) == 0
    assert sharpness(0.8) == pytest.approx(2)  # log₃ 9


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.8])
def test_choices_follow_the_softmax(beta: float) -> None:
    n = 20_000
    logits = np.tile(np.float32([0.0, 1.0, -1.0, 2.0, 0.0]), (n, 1))
    cars = np.ones((1, n), np.bool_)
    random = [np.random.default_rng(0)]
    chosen = choose(logits, np.array([3, 2]), sharpness(beta), cars, random)
    for head, part in ((0, logits[0, :3]), (1, logits[0, 3:])):
        odds = np.exp(sharpness(beta) * part)
        share = np.bincount(chosen[:, head], minlength=len(part)) / n
        np.testing.assert_allclose(share, odds / odds.sum(), atol=0.015)


def test_the_likeliest_is_taken_without_a_draw() -> None:
    logits = np.float32([[0, 1, -1, 2, 0]])
    random = [np.random.default_rng(0)]
    before = random[0].bit_generator.state
    chosen = choose(logits, np.array([3, 2]), np.inf, np.ones((1, 1), np.bool_), random)
    assert chosen.tolist() == [[1, 0]]
    assert random[0].bit_generator.state == before


def test_cars_of_a_game_that_is_over_draw_nothing() -> None:
    cars = np.array([[True, False], [False, False], [True, True]])
    draws = [np.random.default_rng(seed) for seed in range(3)]
    choose(np.zeros((3, 4), np.float32), np.array([4]), 1.0, cars, draws)
    moved = [draws[g].random() != np.random.default_rng(g).random() for g in range(3)]
    assert moved == [True, False, True]


def first_controls(name: str, seed: int = 0, seconds: float = 0.1) -> np.ndarray:
    seen: list[np.ndarray] = []
    play(
        make_bot(name),
        make_bot("idle"),
        games=1,
        seed=seed,
        seconds=seconds,
        on_step=lambda states, step: seen.append(states.previous_action[0, 0].copy()),
    )
    return np.stack(seen[1:])


def test_beta_in_a_bot_s_name(own_bots: Path) -> None:
    def different(name: str) -> int:
        return len({first_controls(name, seed, 0.05).tobytes() for seed in range(6)})

    assert different("nexto-new:beta=0") == 6
    assert different("nexto-new") <= 3  # the five spots differ by their distance alone
    assert make_bot("necto-new:beta=0.5").name == "necto-new:beta=0.5"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nexto-new:beta=2", r"beta=B with B from 0 .* got 'beta=2'"),
        ("nexto-new:beta=much", r"got 'beta=much'"),
        ("nexto-new:beta=nan", r"got 'beta=nan'"),
        ("nexto-new:kickoff=fast", r"kickoff=scripted, after the colon; got 'kickoff=fast'"),
        ("nexto-neww", r"unknown bot 'nexto-neww' .did you mean 'nexto-new'.*module:function"),
        ("nexto", r"'nexto' has no weights in .*lucy bots import"),
        ("necto-30y:beta=0.5", r"'necto-30y' has no weights"),
    ],
)
def test_names_that_are_refused(name: str, message: str, own_bots: Path) -> None:
    with pytest.raises(BotError, match=message):
        make_bot(name)


def test_the_bots_folder(monkeypatch: pytest.MonkeyPatch, own_bots: Path) -> None:
    assert list(installed_bots()) == ["necto-new", "nexto-new"]
    monkeypatch.delenv("LUCY_BOTS")
    assert bots_folder().parts[-2:] == ("lucy", "bots")


@pytest.mark.parametrize("mode", ["1v1", "2v2", "3v3"])
def test_a_scripted_kickoff_reaches_the_ball(
    mode: str, opponents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCY_BOTS", str(opponents))
    half = int(mode[0])
    touched, goes = np.zeros(8, np.bool_), np.zeros((8, half), np.bool_)

    def watch(states: GameStates, step: int) -> None:
        touched[:] |= states.car_ball_touched[:, :half].any(axis=1)
        if step == 6:  # only the script steers hard to the left
            goes[:] = states.previous_action[:, :half, 1] == -1

    # The idle bot stands still, so whoever goes has its way; the odd games are played as orange
    bots = make_bot("nexto:kickoff=scripted"), make_bot("idle")
    play(*bots, mode=mode, games=8, seconds=2.7, on_step=watch)
    assert touched[::2].all()
    assert (goes[::2].sum(axis=1) == 1).all()


def test_kickoff_in_a_bot_s_name(own_bots: Path) -> None:
    assert isinstance(make_bot("nexto-new:beta=0.5,kickoff=scripted"), ScriptedKickoff)


def test_the_left_of_two_equal_mates_takes_the_kickoff() -> None:
    states = allocate(np.ones((1, 4), np.bool_), team_slots(2))
    states.car_position[0, :, :2] = [(-2048, -2560), (2048, -2560), (2048, 2560), (-2048, 2560)]
    # Blue's left is +x, orange's -x
    blue, orange = np.array([[True, True, False, False]]), np.array([[False, False, True, True]])
    assert _takers(states, blue).tolist() == [[False, True, False, False]]
    assert _takers(states, orange).tolist() == [[False, False, False, True]]
    states.car_position[0, 0, :2] = (-256, -1000)
    assert _takers(states, blue).tolist() == [[True, False, False, False]]
    assert not _takers(states, orange).any()  # blue is nearer


def test_the_striker_outplays_the_chaser() -> None:
    result = play(make_bot("striker"), make_bot("chaser"), games=8, seed=0, seconds=90)
    scored, conceded = result.goals
    assert scored > 1.5 * conceded


POLICY = """
import numpy as np
from rlgym.rocket_league.action_parsers import LookupTableAction
from rlgym.rocket_league.obs_builders import DefaultObs

from lucy.agent.opponents.import_path import RLGymPolicy

TABLE = LookupTableAction.make_lookup_table().tolist()


def forward():
    def logits(observations):
        assert observations.shape[0] == 32
        out = np.zeros((16, 90), np.float32)
        out[:, TABLE.index([1, 0, 0, 0, 0, 0, 1, 0])] = 50
        return out

    return RLGymPolicy(lambda: DefaultObs(zero_padding=3), LookupTableAction, logits)


class Own:
    name = "chaser"  # which it is not

    def start(self, states, cars, random):
        self.cars = cars

    def act(self, states, controls):
        controls[self.cars] = (1, 0, 0, 0, 0, 0, 1, 0)


def broken():
    raise RuntimeError("no weights here")


def nothing():
    return 3


class Fixed(Own):
    @property
    def name(self):
        return "necto"
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_own_bots.py").write_text(POLICY, "utf-8")
    monkeypatch.chdir(tmp_path)
    return "my_own_bots"


@pytest.mark.parametrize("function", ["forward", "Own", "Fixed"])
def test_a_bot_by_import_path(function: str, module: str) -> None:
    straight_on = first_controls(f"{module}:{function}", seconds=0.5)
    assert straight_on.tolist() == [[1, 0, 0, 0, 0, 0, 1, 0]] * len(straight_on)
    result = play(
        make_bot(f"{module}:{function}"), make_bot("idle"), mode="2v2", games=2, seconds=5
    )
    assert result.names == (f"{module}:{function}", "idle")
    assert result.figures["touches"][:, 0].sum() > 0


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("my_own_bots:broken", r"RuntimeError: no weights here$"),
        ("my_own_bots:missing", r"has no attribute 'missing'"),
        (
            "no_such_module:bot",
            r"'no_such_module'; it must be installed or in the current",
        ),
        ("my_own_bots:nothing", r"made int: expected a bot"),
    ],
)
def test_import_paths_that_are_refused(path: str, message: str, module: str) -> None:
    with pytest.raises(ImportPathError, match=message):
        make_bot(path)
