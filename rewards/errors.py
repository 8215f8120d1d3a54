"""The base of every error that a user's reward can make."""


class RewardError(ValueError):
    """A reward that cannot be used; the message names what is wrong with it and where."""


def one_line(error: BaseException) -> str:
    """What kind of error it is and what it says, as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
