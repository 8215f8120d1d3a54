"""League play: a share of the games against past selves and fixed bots."""
