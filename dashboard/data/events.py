"""What happened in a game: goals, shots, saves, demolitions, touches."""

from typing import NamedTuple

import numpy as np

from ...sim.constants import BLUE, ORANGE
from ...sim.state import GameStates


class Event(NamedTuple):
    """Something that happened at a moment."""

    kind: str  # "goal", "shot", "save", "demo" or "touch"
    seconds: float
    team: str  # "blue" or "orange", whose doing it was
    car: int  # slot, -1 where only the team is known


def find_events(states: GameStates, step_seconds: float) -> list[Event]:
    """The events of one game in their order.

    A team that scored is known by the score; which of its cars did by its counter, where the
    recording counts goals.
    """
    events = []
    for team, name in ((BLUE, "blue"), (ORANGE, "orange")):
        for step in _rises(states.score[:, team]):
            scorers = np.flatnonzero(
                (states.car_goals[step] > states.car_goals[step - 1]) & (states.car_team == team)
            )
            car = int(scorers[0]) if len(scorers) == 1 else -1
            events.append(Event("goal", float(step * step_seconds), name, car))
    counted = {"shot": states.car_shots, "save": states.car_saves, "demo": states.car_demos}
    touching = states.car_ball_touched.astype(np.int32)
    for car, team in enumerate(states.car_team.tolist()):
        name = "blue" if team == BLUE else "orange"
        rises = {kind: _rises(values[:, car]) for kind, values in counted.items()}
        rises["touch"] = _rises(touching[:, car])
        events += [
            Event(kind, float(step * step_seconds), name, car)
            for kind, steps in rises.items()
            for step in steps
        ]
    return sorted(events, key=lambda event: event.seconds)


def _rises(values: np.ndarray) -> list[int]:
    return (np.flatnonzero(np.diff(values) > 0) + 1).tolist()
