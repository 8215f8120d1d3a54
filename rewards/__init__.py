"""The reward library: components, kinesthetic combinations, specs and their compiled function."""
