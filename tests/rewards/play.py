"""A recording of random play for the tests of evaluations and reports."""

import numpy as np

from lucy.sim.recording import RecordedGame, Recording, RecordingMetadata

STEPS = 60
SECOND_GAME = 25


def random_recording(random_states, seed: int = 0) -> Recording:
    """Two games of 2v2, in which the bots swap sides; one car is away for some steps."""
    rng = np.random.default_rng(seed)
    states = random_states(rng, ["2v2"] * STEPS)
    counters = (states.car_goals, states.car_saves, states.car_shots, states.car_demos)
    for counter in (*counters, states.score):
        counter[:] = np.sort(counter, axis=0)
    states.episode_start[[0, 10, SECOND_GAME]] = True
    states.car_mask[40:45, 3] = False
    games = [
        RecordedGame(
            start=start,
            stop=stop,
            blue=blue,
            orange=orange,
            players=[blue, blue, orange, f"{orange} 2"],
            score=(0, 0),
        )
        for start, stop, blue, orange in [
            (0, SECOND_GAME, "ann", "bob"),
            (SECOND_GAME, STEPS, "bob", "ann"),
        ]
    ]
    metadata = RecordingMetadata(source="test", mode="2v2", tick_skip=8, games=games)
    return Recording(states, metadata)
