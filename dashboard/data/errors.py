"""What a page shows in place of something that cannot be read."""


class DataError(ValueError):
    """Something that was asked for is not there; the message says what, and what to do."""
