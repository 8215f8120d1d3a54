"""Benchmarks: what Lucy's environment costs beside bare physics and beside plain RLGym v2."""
