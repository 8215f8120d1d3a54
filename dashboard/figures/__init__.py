"""Data frames to Plotly figures; nothing here reads a store or knows Dash."""
