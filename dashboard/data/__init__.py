"""What the pages show, as data frames and small records; nothing here knows Dash."""
