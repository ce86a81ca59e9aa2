"""A server of files for looking at a site, on the loopback alone."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from vital.errors import InvalidValueError, RunError
from vital.reporting.site.write import is_site

HOST = "127.0.0.1"
_OWN = frozenset((HOST, "localhost"))


class _Handler(SimpleHTTPRequestHandler):
    """Serves files, lists no folders, answers to the names of this machine alone, and says nothing."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".webp": "image/webp",
        ".js": "text/javascript",
    }

    def send_head(self) -> Any:
        """Answer for a file; another host's name in the request is a page elsewhere that tries to read this one."""
        if self.headers.get("Host", "").partition(":")[0] not in _OWN:
            self.send_error(403)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:
        """List nothing."""
        del path
        self.send_error(404)

    def end_headers(self) -> None:
        """Let the browser ask again: a site may be written while it is looked at."""
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


def opened(site: Path, port: int = 0) -> ThreadingHTTPServer:
    """Open a server for a site; port 0 takes a free one.

    Raises `InvalidValueError` for a folder that is no site, and `RunError` for a port that is taken.
    """
    if not is_site(site):
        near = [folder for folder in site.parents if is_site(folder)]
        hint = (
            f"did you mean {str(near[0])!r}?" if near else f"write one first: vital report RUN --site {site}"
        )
        raise InvalidValueError(f"{str(site)!r} is no site; {hint}")
    try:
        return ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(site)))
    except OSError as error:
        raise RunError(
            f"cannot open port {port}: {error.strerror or error}; give another with --port"
        ) from error
