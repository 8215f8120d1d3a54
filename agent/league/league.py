"""`League`: all opponents of a training, and how hard they are to beat."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ...sim.stage import BOT, Stage
from ...sim.state import GameStates
from ..opponents import Bot
from .cast import PAST, Cast
from .past_selves import PastSelves
from .results import Results


class League:
    """Lets past selves and bots play, and keeps the score.

    Everything is drawn from one generator, whose state is part of `state`.
    """

    def __init__(
        self,
        cast: Cast,
        refresh: int,
        past: PastSelves | None,
        bots: Mapping[str, Bot],
        results: Results,
        random: np.random.Generator,
    ) -> None:
        """Bring the opponents together.

        Args:
            cast: who plays where.
            refresh: iterations from one past self to the next.
            past: in the arenas of `PAST`, if there are any.
            bots: by name, each for its own arenas.
            results: what `past` draws by.
            random: what `past` draws from.
        """
        self.cast, self.past = cast, past
        self._refresh, self._results, self._random = refresh, results, random
        self._bots = dict(bots)
        self._parts: list[tuple[Bot, GameStates, np.ndarray]] = []
        self._iterations = 0
        self._goals = 0  # in this iteration

    def begin(self, stage: Stage) -> None:
        """Begin episodes in every arena: deal opponents and start the bots.

        Args:
            stage: where bots see and act.
        """
        if self.past is not None:
            self.past.begin()
        self.start_bots(stage)

    def start_bots(self, stage: Stage) -> None:
        """Let the bots play from here on, in games that begin or are under way."""
        self._parts = []
        for name, bot in self._bots.items():
            arenas = self.cast.arenas_of(name)
            states, controls = stage.of(arenas)
            cars = states.car_mask & (self.cast.roles[arenas] == BOT)
            # Which leaves the generator as it is: a resumed training draws as it would have
            bot.start(states, cars, self._random.spawn(len(cars)))
            self._parts.append((bot, states, controls))

    def act(self, observations: np.ndarray, actions: np.ndarray) -> None:
        """Let all opponents choose: past selves in `actions`, bots on the stage.

        Args:
            observations: [N,rows,64] of all agents.
            actions: [N,heads]; those of the past selves' agents are written.
        """
        if self.past is not None:
            self.past.act(observations, actions)
        for bot, states, controls in self._parts:
            bot.act(states, controls)

    def episode_over(self, index: int, own_goal: bool | None) -> None:
        """Take in how the episode of a seat ended, and draw who plays the next.

        Args:
            index: of the seat.
            own_goal: whether the learner scored; None if nobody did.
        """
        seat = self.cast.seats[index]
        past = self.past if seat.opponent == PAST else None
        if own_goal is not None:
            opponent = past.playing[index] if past else seat.opponent
            self._results.add(seat.mode, opponent, own=own_goal)
            self._goals += 1
        if past:
            past.change(index)

    def end_iteration(self, name: str, weights: Mapping[str, Tensor]) -> None:
        """Take the learner in as a past self, if it is time for one.

        Args:
            name: of the checkpoint that is about to be saved.
            weights: of the policy.
        """
        self._iterations += 1
        if self.past is not None and self._iterations % self._refresh == 0:
            self.past.add(name, weights)

    def metrics(self) -> dict[str, float]:
        """What a training logs, and begin the next iteration's count of goals.

        Returns:
            `league/goals` of this iteration, on both sides, and the learner's share of the
            goals (see `Results.share`) as `league/<bot>`, `league/past` for all past selves
            together and `league/hardest` for the hardest of them; where arenas differ in
            size, as `league/<mode>/<bot>` and so on.
        """
        metrics = {"league/goals": float(self._goals)}
        self._goals = 0
        modes = sorted({seat.mode for seat in self.cast.seats})
        for mode in modes:
            prefix = "league" if len(modes) == 1 else f"league/{mode}"
            for bot in self._bots:
                metrics[f"{prefix}/{bot}"] = self._results.share(mode, [bot])
            if self.past is not None:
                members = self.past.members
                metrics[f"{prefix}/past"] = self._results.share(mode, members)
                hardest = min(self._results.share(mode, [member]) for member in members)
                metrics[f"{prefix}/hardest"] = hardest
        return metrics

    @property
    def needed(self) -> set[str]:
        """The checkpoints that have to stay."""
        return set() if self.past is None else self.past.needed

    def state(self) -> dict[str, Any]:
        """JSON values for `restore`."""
        return {
            "iterations": self._iterations,
            "goals": self._results.state(),
            "past": None if self.past is None else self.past.state(),
            "random": self._random.bit_generator.state,
        }

    def restore(self, state: Mapping[str, Any] | None, checkpoints: Sequence[str]) -> None:
        """Go on from what `state` returned.

        Args:
            state: None if the run had no league until now.
            checkpoints: the run's until now, by name, the oldest first; without a state they
                are the past selves.
        """
        if state is not None:
            self._iterations = state["iterations"]
            self._results.restore(state["goals"])
            self._random.bit_generator.state = state["random"]
        if self.past is None:
            return
        if state is None or state["past"] is None:
            self.past.adopt(checkpoints)
        else:
            self.past.restore(state["past"])
