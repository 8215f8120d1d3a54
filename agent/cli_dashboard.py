"""`lucy dashboard`: runs, rewards, play and matchups in the browser."""

from pathlib import Path
from typing import Annotated

import typer

from .messages import console


def dashboard(
    runs: Annotated[Path, typer.Option(help="Folder of the runs and their recordings.")] = Path(
        "runs"
    ),
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Database to show. [default: lucy.db in that folder]"),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8050,
) -> None:
    """See runs, rewards, play and matchups in the browser; Ctrl-C ends it."""
    from ..dashboard.serve import ServeError, serve
    from .errors import LucyError
    from .store import check_url, shown_url

    url = str(runs / "lucy.db") if store is None else store
    check_url(url)

    def tell(address: str) -> None:
        console.print(f"The dashboard of {shown_url(url)} (Ctrl-C ends it):")
        console.print(address)  # on a line of its own, so that it can be clicked and copied

    try:
        serve(url, runs, host, port, tell)
    except ServeError as error:
        raise LucyError(str(error)) from error
