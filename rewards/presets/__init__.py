"""Reward presets: one TOML file each."""
