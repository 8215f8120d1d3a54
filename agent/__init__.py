"""The agent: networks, PPO, checkpoints, opponents, matches and the command line."""

import os

# Before torch is imported: its OpenMP threads would spin while they wait, and take the
# cores from the threads that step the physics (measured: the update 20 times slower).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
