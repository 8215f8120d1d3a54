"""Batched RocketSim: states, physics, observations, resets and the vectorised environment."""
