"""The bots that come with Lucy, and the names that are hers."""

from pathlib import Path

from .scripted import ChaserBot, IdleBot, RandomBot, StrikerBot

SCRIPTED = {bot.name: bot for bot in (RandomBot, IdleBot, ChaserBot, StrikerBot)}

SHIPPED = {"lucy": Path(__file__).parent / "lucy"}
"""Checkpoints that come with the package: trained by Lucy's own command, see docs/results."""

# The last ones are what a league and reports call others than bots
RESERVED = frozenset({*SCRIPTED, *SHIPPED, "past", "self", "human", "trained", "untrained"})
"""Names that no imported bot can have."""
