"""Serving the dashboard: on this machine alone unless told otherwise, and never open to others."""

import errno
import ipaddress
import os
import threading
from collections.abc import Callable
from pathlib import Path

from waitress.server import create_server

from ..rewards.spec import load_spec
from ..rewards.surface import Scene, surface
from .app import create_app
from .security import LOCAL, MAX_BODY

PASSWORD = "LUCY_DASHBOARD_PASSWORD"

_THREADS = 8


class ServeError(ValueError):
    """The dashboard cannot be served so; the message says what to do."""


def check_host(host: str, password: str | None) -> None:
    """Refuse to be open to other machines without a password.

    Raises:
        ServeError: it would be.
    """
    if not is_local(host) and not password:
        raise ServeError(
            f"--host {host} lets other machines in, and the dashboard has no password: set the "
            f"environment variable {PASSWORD}, or leave --host at 127.0.0.1"
        )


def is_local(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def address(host: str, port: int) -> str:
    """What a browser on this machine opens to reach what listens there."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if ip.is_unspecified:  # every address of this machine, and none to open
        ip = ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
    return f"http://[{ip}]:{port}" if ip.version == 6 else f"http://{ip}:{port}"


def serve(
    store: str, folder: Path, host: str, port: int, tell: Callable[[str], None] = lambda url: None
) -> None:
    """Serve until Ctrl-C; the password is read from the environment.

    Args:
        store: see `create_app`.
        folder: see `create_app`.
        host: name or address to listen on.
        port: to listen on.
        tell: called with the address to open, once it can be opened.

    Raises:
        ServeError: it would be open to everybody, or the address cannot be listened on.
    """
    password = os.environ.get(PASSWORD) or None
    check_host(host, password)
    app = create_app(
        store, folder, password=password, hosts=(*LOCAL, host) if is_local(host) else None
    )
    try:
        server = create_server(
            app.server,
            host=host,
            port=port,
            threads=_THREADS,
            max_request_body_size=MAX_BODY,
            ident="lucy",
        )
    except OSError as error:
        raise ServeError(_refusal(host, port, error)) from error
    except ValueError as error:  # what waitress makes of a name that nothing answers to
        raise ServeError(
            f"--host {host} is no name or address of this machine: leave it at 127.0.0.1, or "
            "give 0.0.0.0 for all its addresses"
        ) from error
    tell(address(host, port))
    threading.Thread(target=_warm_up, daemon=True).start()
    server.run()


def _refusal(host: str, port: int, error: OSError) -> str:
    way_out = {
        errno.EADDRINUSE: "is a dashboard open there already? Choose another --port",
        errno.EACCES: "choose a --port of 1024 or more",
        errno.EADDRNOTAVAIL: "choose a --host that is an address of this machine",
    }.get(error.errno or 0, "choose another --host or --port")
    return f"{host}:{port} cannot be listened on ({error.strerror or error}): {way_out}"


def _warm_up() -> None:
    """Compile the rewards before the first viewer waits for them; later starts find them done."""
    surface(load_spec("lucy-skg"), Scene(), points=(4, 4))
