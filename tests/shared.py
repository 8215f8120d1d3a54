"""Where the reference data is that is no part of the project."""

import os
from pathlib import Path

SHARED = Path(os.environ.get("LUCY_SHARED", Path(__file__).parents[2] / "shared"))
