"""`lucy watch`: a match in RLViser's window, in real time."""

import socket
import time

from ..sim.constants import STEPS_PER_SECOND
from ..sim.rlgym_states import to_rlgym
from ..sim.state import GameStates
from .errors import LucyError
from .match import GAME_SECONDS, MatchResult, play
from .opponents import Bot

RLVISER_PORT = 45243  # where RLViser listens; UDP, as the next
SENDER_PORT = 34254  # which rlviser-py sends from


class WatchError(LucyError):
    """A match cannot be shown."""


class Viewer:
    """Shows the first of a match's games, at the pace that RLViser's keys set."""

    def __init__(self) -> None:
        """Look for RLViser.

        Raises:
            WatchError: it does not run, shows something else, or rlviser-py is missing.
        """
        try:
            import rlviser_py
            from rlgym.rocket_league.rlviser import RLViserRenderer
        except ImportError as error:
            raise WatchError(
                'RLViser is reached through rlviser-py: pip install "lucy-skg[rlviser]"'
            ) from error
        if not is_taken(RLVISER_PORT):
            raise WatchError(
                f"RLViser does not run: nothing listens on UDP port {RLVISER_PORT}. Get it from "
                "https://github.com/VirxEC/rlviser, start it, and run this again"
            )
        if is_taken(SENDER_PORT):
            raise WatchError(
                f"UDP port {SENDER_PORT}, which RLViser is reached from, is taken: end the other "
                "program that shows something in RLViser"
            )
        self._rlviser = rlviser_py
        self._renderer = RLViserRenderer(tick_rate=STEPS_PER_SECOND)
        self._due = time.monotonic()

    def show(self, states: GameStates, step: int) -> None:
        """Show one step when its time has come; an `on_step` of `play`."""
        self._wait()
        self._renderer.render(to_rlgym(states, 0), {})

    def _wait(self) -> None:
        while self._rlviser.get_game_paused():
            time.sleep(0.05)
            self._due = time.monotonic()
        now = time.monotonic()
        time.sleep(max(0.0, self._due - now))
        speed = max(self._rlviser.get_game_speed(), 0.01)
        # What took too long is not made up for, or play would rush
        self._due = max(self._due, now) + 1 / (STEPS_PER_SECOND * speed)


def play_before(
    viewer: Viewer,
    blue: Bot,
    orange: Bot,
    *,
    mode: str = "1v1",
    seed: int = 0,
    seconds: float = GAME_SECONDS,
) -> MatchResult:
    """Play one game in RLViser's window: the first that `lucy match` plays with this seed.

    Args:
        viewer: shows it.
        blue: the bot of the blue cars.
        orange: the bot of the orange cars.
        mode: "1v1", "2v2" or "3v3".
        seed: of the game.
        seconds: of play.
    """
    return play(blue, orange, mode=mode, games=1, seed=seed, seconds=seconds, on_step=viewer.show)


def is_taken(port: int) -> bool:
    """Whether some program has this UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))  # RLViser and rlviser-py bind all addresses, too
        except OSError:
            return True
    return False
