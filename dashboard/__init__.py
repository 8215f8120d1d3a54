"""The dashboard: runs, rewards, play and matchups in the browser; it needs no torch."""
