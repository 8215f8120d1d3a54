"""The names by which callbacks find what is on a page."""

URL = "url"
NAVIGATION = "navigation"
CONTENT = "content"
TICK = "tick"

KEPT = "kept-in-url"  # names of a page's settings, in the order of its controls
KEPT_DONE = "kept-in-url-done"


class RunsPage:
    """Of the runs and their curves."""

    GRID = "runs-grid"
    CHOSEN = "runs-chosen"
    HEADER = "runs-header"
    FIGURE = "runs-figure"
    SECTION = "runs-section"
    AXIS = "runs-axis"
    SMOOTHING = "runs-smoothing"
    BANDS = "runs-bands"
    SHOWN = "runs-shown"
    CSV = "runs-csv"
    DOWNLOAD = "runs-download"
    FILTER = "runs-filter"
    LIST_SHOWN = "runs-list-shown"
    NOTICE = "runs-notice"


class RewardPage:
    """Of the reward decomposition."""

    RUN = "reward-run"
    STATISTIC = "reward-statistic"
    FIGURE = "reward-figure"
    TABLE = "reward-table"
    SHOWN = "reward-shown"
    SOURCE = "reward-source"
    GAME = "reward-game"
    SPEC = "reward-spec"
    AT = "reward-at"
    BALANCE = "reward-balance"
    CORRELATION = "reward-correlation"
    EPISODE = "reward-episode"
    EPISODE_LINK = "reward-episode-link"
    CSV = "reward-csv"
    DOWNLOAD = "reward-download"


class PlayPage:
    """Of a game."""

    SOURCE = "play-source"
    GAME = "play-game"
    SPEC = "play-spec"
    PLAYER = "play-player"
    AMOUNT = "play-amount"
    STYLE = "play-style"
    TIMELINE = "play-timeline"
    TIMELINE_NOTICE = "play-timeline-notice"
    FIGURE = "play-figure"
    STAGE = "play-stage"
    UPLOAD = "play-upload"
    UPLOADED = "play-uploaded"
    NOTICE = "play-notice"
    CSV = "play-csv"
    DOWNLOAD = "play-download"
    AT = "play-at"
    DONE = "play-done"
    SUMMARY = "play-summary"


class ShapesPage:
    """Of the reward's surfaces."""

    STAGE = "shapes-stage"
    DONE = "shapes-done"


class MatchupsPage:
    """Of bots against one another."""

    MODE = "matchups-mode"
    LEAGUE = "matchups-league"
    RATINGS = "matchups-ratings"
    MATRIX = "matchups-matrix"
    NOTICE = "matchups-notice"
    PAIR = "matchups-pair"
    SPEC = "matchups-spec"
    GAMES = "matchups-pairing-games"
    RECORDED = "matchups-pairing-recorded"
    CSV = "matchups-csv"
    DOWNLOAD = "matchups-download"
