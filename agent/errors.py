"""The base of every error that a user can mend."""


class LucyError(Exception):
    """Bad input or a machine that will not do; the message names it and the way out."""
