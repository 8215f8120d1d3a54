"""A user's own components and bots that fail: in trainings, matches and tournaments."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lucy.agent.errors import LucyError
from lucy.agent.match import play
from lucy.agent.opponents import PartingBot, make_bot
from lucy.agent.opponents.guard import BotFailedError
from lucy.agent.opponents.import_path import ImportPathError
from lucy.agent.ppo import Losses, NonFiniteLossError, ppo_losses
from lucy.agent.store import Store
from lucy.agent.tournament import TournamentError, arrange
from lucy.agent.train import train

from .conftest import tiny_config

COMPONENTS = """
import numba

@numba.njit
def raises(now, before):
    if now.z > 17.0 or now.boost < 0.3:
        raise ValueError("too high")
    return 0.0

@numba.njit
def nan(now, before):
    return (now.ball_z - now.ball_z) / (now.ball_z - now.ball_z)
"""

BOTS = """
import numpy as np

class Idle:
    def start(self, states, cars, random):
        self.cars = cars
    def act(self, states, controls):
        controls[self.cars] = 0

class StartRaises(Idle):
    def start(self, states, cars, random):
        raise KeyError("weights")

class Raises(Idle):
    def act(self, states, controls):
        raise RuntimeError("lost\\nmy way")

class Returns(Idle):
    def act(self, states, controls):
        return np.zeros((2, 8))

class Nan(Idle):
    def act(self, states, controls):
        controls[self.cars] = np.nan

class TooLarge(Idle):
    def act(self, states, controls):
        controls[self.cars] = 3

class WrongShape(Idle):
    def act(self, states, controls):
        controls[self.cars] = np.zeros(5)

class Greedy(Idle):
    def act(self, states, controls):
        controls[:] = (1, 0, 0, 0, 0, 0, 1, 0)

class Parting(Idle):
    def part(self):
        return Parting()

def leaves():
    raise SystemExit("no licence")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_failing_components.py").write_text(COMPONENTS, "utf-8")
    (tmp_path / "own_failing_bots.py").write_text(BOTS, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def reward_of(function: str) -> str:
    Path("own.toml").write_text(
        f'[[events]]\ncomponent = "own_failing_components:{function}"\n', "utf-8"
    )
    return "own.toml"


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("function", "said"), [("raises", "too high"), ("nan", "returned nan")])
def test_a_component_that_fails_in_training_is_named(
    here: Path, processes: int, function: str, said: str
) -> None:
    config = tiny_config(
        environment__reward=reward_of(function),
        environment__processes=processes,
        environment__resets={"random": 1},
    )
    with pytest.raises(LucyError) as failed:
        train(config, here / "run")
    message = str(failed.value)
    assert "\n" not in message
    assert f"own_failing_components:{function}" in message
    assert said in message
    # Nothing was saved, so nothing can be resumed
    assert "No checkpoint was saved yet: give the same command again" in message
    assert "--resume" not in message


def test_a_component_that_other_processes_cannot_import_is_named(here: Path) -> None:
    with (here / "own_failing_components.py").open("a", encoding="utf-8") as file:
        file.write("import multiprocessing\nassert multiprocessing.parent_process() is None\n")
    config = tiny_config(environment__reward=reward_of("nan"), environment__processes=2)
    with pytest.raises(LucyError, match="import 'own_failing_components:nan': Asser") as failed:
        train(config, here / "run")
    assert "\n" not in str(failed.value)
    assert "__main__" not in str(failed.value)


@pytest.mark.parametrize(
    ("bot", "message"),
    [
        ("StartRaises", "raised KeyError: 'weights' in start$"),
        ("Raises", "raised RuntimeError: lost my way in act$"),
        ("Returns", "returned ndarray from act: expected it to write into `controls`"),
        ("Nan", "wrote nan into controls: expected numbers from -1 to 1$"),
        ("TooLarge", "wrote 3 into controls: expected numbers from -1 to 1$"),
        ("WrongShape", "raised ValueError: .*in act$"),
    ],
)
def test_a_bot_that_fails_is_named(here: Path, bot: str, message: str) -> None:
    with pytest.raises(BotFailedError, match=f"the bot 'own_failing_bots:{bot}' {message}"):
        play(make_bot(f"own_failing_bots:{bot}"), make_bot("idle"), games=1, seconds=1)


def test_a_module_that_wants_to_leave_is_told(here: Path) -> None:
    with pytest.raises(ImportPathError, match=r"own_failing_bots:leaves.*SystemExit: no licence$"):
        make_bot("own_failing_bots:leaves")


def test_a_bot_drives_no_other_cars(here: Path) -> None:
    result = play(make_bot("idle"), make_bot("own_failing_bots:Greedy"), games=2, seconds=4)
    assert result.figures["touches"][:, 0].sum() == 0


def test_a_bot_that_parts_still_does(here: Path) -> None:
    bot = make_bot("own_failing_bots:Parting")
    assert isinstance(bot, PartingBot)
    assert isinstance(bot.part(), PartingBot)
    assert not isinstance(make_bot("own_failing_bots:Idle"), PartingBot)
    assert play(bot, make_bot("idle"), games=2, seconds=1).goals == (0, 0)


def test_the_other_pairings_of_a_tournament_are_played(here: Path) -> None:
    tournament = arrange(["own_failing_bots:Raises", "idle", "own_failing_bots:Idle"], games=1)
    with Store.open(str(here / "lucy.db")) as store:
        with pytest.raises(TournamentError, match=r"Raises' raised .* give the same command again"):
            tournament.play(store, lambda done: None)
        played = [len(pairing.goals) for pairing in tournament.results(store)]
    assert sorted(played) == [0, 0, 1]


def test_a_league_bot_that_fails_is_named(here: Path) -> None:
    config = tiny_config(league__share=0.5, league__bots={"own_failing_bots:Raises": 1.0})
    with pytest.raises(LucyError, match=r"the bot 'own_failing_bots:Raises' raised .* Mend it"):
        train(config, here / "run")


def test_advice_after_a_loss_that_is_not_finite_holds(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tiny_config(steps=64), here / "run")

    def nan_losses(*arguments: Any) -> Losses:
        losses = ppo_losses(*arguments)
        return losses._replace(loss=losses.loss * torch.nan)

    monkeypatch.setattr("lucy.agent.ppo.ppo_losses", nan_losses)
    with pytest.raises(NonFiniteLossError, match=r"--resume --run-dir .*run --set ppo"):
        train(tiny_config(steps=128), here / "run", resume=True)
    with pytest.raises(NonFiniteLossError, match="No checkpoint was saved yet") as first:
        train(tiny_config(), here / "other")
    assert "--resume" not in str(first.value)
