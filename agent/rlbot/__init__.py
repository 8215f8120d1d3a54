"""Checkpoints as bots for RLBot v5, the framework that plays bots in Rocket League itself."""
