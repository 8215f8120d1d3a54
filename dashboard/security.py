"""Who may see the dashboard, and what a browser may do with it."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Any

from dash import Dash
from flask import Flask, Response, request

LOCAL = ("127.0.0.1", "localhost", "::1")
MAX_BODY = 48 * 2**20  # bytes: a replay of 32 MiB, as a browser packs it

_REALM = 'Basic realm="Lucy", charset="UTF-8"'


def secure(app: Dash, password: str | None, hosts: Sequence[str] | None) -> None:
    """Guard every answer of an app; called once, after its callbacks are registered.

    Args:
        app: whose server is guarded.
        password: that every request must bring, whatever its user's name; None asks for none.
        hosts: names by which the server may be called, so that a page of elsewhere cannot reach
            it through a name of its own that leads here; None allows any.
    """
    server: Flask = app.server
    server.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    policy = "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' {' '.join(app.csp_hashes())}",
            "style-src 'self' 'unsafe-inline'",  # Mantine's and Plotly's
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }

    @server.before_request
    def check() -> Response | None:
        if hosts is not None and _host(request.host) not in hosts:
            return Response("This dashboard is not called by that name.\n", 421)
        if password is not None and not _knows(password):
            return Response("A password is needed.\n", 401, {"WWW-Authenticate": _REALM})
        return None

    @server.after_request
    def add_headers(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response


def _host(host: str) -> str:
    """The name without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _knows(password: str) -> bool:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given: Any = base64.b64decode(encoded, validate=True).partition(b":")[2]
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(given, password.encode())
