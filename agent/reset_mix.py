"""Where the episodes of a training start: the config's mix, built."""

from pathlib import Path

from ..sim.engine import TEAM_SIZES
from ..sim.recording import RecordingError
from ..sim.replay_states import ReplayStates, ReplayStatesError
from ..sim.resets import SOURCES, ResetSource, weighted_mix
from ..sim.shell import shell_line
from ..sim.training_packs import TrainingPacks
from .config import ConfigError, EnvironmentConfig


def build_resets(settings: EnvironmentConfig) -> ResetSource:
    """The weighted mix of reset sources that a config asks for.

    Raises:
        ConfigError: `environment.replays` has no states for the arenas.
    """
    weights = settings.drawn_resets
    sources: dict[str, ResetSource] = dict(SOURCES)
    if weights.get("replays") and settings.replays is not None:
        sizes = {TEAM_SIZES[mode] for mode in settings.modes}
        try:
            sources["replays"] = ReplayStates(Path(settings.replays), sizes)
        except (ReplayStatesError, RecordingError) as error:
            raise ConfigError(f"environment.replays: {error}") from error
    if weights.get("training_packs"):
        sources["training_packs"] = TrainingPacks()
    return weighted_mix({name: weight for name, weight in weights.items() if weight}, sources)


def resets_notice(settings: EnvironmentConfig) -> str | None:
    """What the user should know of the mix: that replays are left out of it."""
    if settings.replays is not None and not settings.resets.get("replays"):
        mix = ", ".join(f"{name}={weight:g}" for name, weight in settings.resets.items() if weight)
        weighed = shell_line("--set", f"environment.resets={{{mix}, replays=1}}")
        return (
            "environment.replays is not used, since environment.resets has no replays: give them a "
            f"weight, as in {weighed}."
        )
    if not settings.resets.get("replays") or settings.replays is not None:
        return None
    total = sum(settings.resets.values())
    return (
        f"No replays are set, so {settings.resets['replays'] / total:.0%} of the reset mix is left "
        "out and the other sources share it: to use them, lucy replays import GAMES -o DIR, then "
        "--set environment.replays=DIR."
    )
