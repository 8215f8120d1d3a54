"""What a demo's games say of its training: a verdict in words, and a table."""

from .match import MatchResult

_TIMES, _MORE = 3.0, 1.0  # touches a minute must rise by both to be called learning

Row = dict[str, str | float]  # as a report has them


def has_learnt(before: float, after: float) -> bool:
    """Whether touches a minute rose to three times what they were, and by one at least."""
    return after >= _TIMES * before and after - before >= _MORE


def verdict(before: float, after: float) -> str:
    """What became of the touches a minute, in a sentence; one more where that is little."""
    change = "stayed at" if _shown(before) == _shown(after) else f"went from {_shown(before)} to"
    said = f"Touches {change} {_shown(after)} per minute."
    if has_learnt(before, after):
        return said
    return f"{said} That is too little to call it learning: the agent needs more steps."


def touches(result: MatchResult) -> float:
    """The first bot's touches per car and minute."""
    return result.per_minute("touches")[0]


def table(before: MatchResult, after: MatchResult, steps: int) -> list[Row]:
    """A row a figure: untrained, and after so many steps."""
    untrained, trained = _figures(before), _figures(after)
    title = f"{len(after.seconds)} games of 1v1 against random keys"
    return [
        {title: name, "untrained": untrained[name], f"after {steps:,} steps": trained[name]}
        for name in trained
    ]


def _figures(result: MatchResult) -> dict[str, str]:
    scored, conceded = result.goals
    won, drawn, lost = result.results
    ahead = (scored - conceded) / len(result.seconds)
    return {
        "touches per minute": _shown(touches(result)),
        # Their share would be 100 % of an untrained agent's one goal, and less of fifty
        "goals scored : conceded": f"{scored} : {conceded}",
        "goal difference per game": f"{ahead:+.1f}" if abs(ahead) >= 0.05 else "0.0",
        "games won, drawn, lost": f"{won}, {drawn}, {lost}",
    }


def _shown(rate: float) -> str:
    return f"{rate:.1f}" if rate >= 0.1 or rate == 0 else f"{rate:.2f}"
