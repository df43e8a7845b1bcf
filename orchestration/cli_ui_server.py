"""The address of `madv ui`: a page with links around the report, how far it is as JSON, and the report's files."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

KINDS = {".html": "text/html", ".csv": "text/csv", ".md": "text/markdown", ".tex": "text/x-tex", ".json": "text/json"}
REPORT = "/report/"
OURS = ("127.0.0.1", "localhost")


class Live:
    """What the page shows. One thread writes it, those of the server read it."""

    def __init__(self, name: str, question: str, folder: Path) -> None:
        self.name = name
        self.question = question
        self.folder = folder
        """Of the report."""
        self.version = 0
        """Of the report; 0: there is none yet."""
        self.counts: dict[str, Any] = {}
        self.reasons: list[tuple[str, int]] = []
        """Why cells failed."""
        self.problem: str | None = None
        """Why there is no newer report."""
        self.links: dict[str, dict[str, str | None]] = {}

    def made(self) -> None:
        """The report was made again."""
        self.version += (self.folder / "index.html").exists()

    def state(self) -> dict[str, Any]:
        """All of it, as JSON takes it."""
        shown = {"version": self.version, "reasons": self.reasons, "problem": self.problem, "links": self.links}
        return shown | self.counts

    def page(self) -> str:
        """The page around the report."""
        from dashboards import html

        style, script = html.asset("live.css"), html.asset("live.js")
        return html.render("live.html.j2", name=self.name, question=self.question, style=style, script=script)


@contextmanager
def serve(live: Live, host: str, port: int) -> Iterator[None]:
    """Serve it in threads."""
    handler = type("Handler", (_Handler,), {"live": live})
    with _Server((host, port), handler) as server:
        threading.Thread(target=server.serve_forever, name="page", daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who has closed the page is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    live: Live
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if self.headers.get("Host", "").rpartition(":")[0] not in OURS:
            # A page elsewhere may have pointed its own name at this machine.
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"this address is for this machine alone")
        elif path == "/":
            self._answer(HTTPStatus.OK, "text/html", self.live.page().encode(errors="backslashreplace"))
        elif path == "/state.json":
            self._answer(HTTPStatus.OK, "application/json", json.dumps(self.live.state()).encode())
        elif (file := self._file(path)) is not None:
            self._answer(HTTPStatus.OK, KINDS.get(file.suffix, "application/octet-stream"), file.read_bytes())
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there is no such page")

    def _file(self, path: str) -> Path | None:
        """A file of the report by its name; nothing above or beside its folder."""
        name = path.removeprefix(REPORT) if path.startswith(REPORT) else ""
        return next((file for file in self.live.folder.iterdir() if file.name == name and file.is_file()), None)

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind if kind.startswith("application/") else f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *_: object) -> None:
        """A line for each request would drown the addresses."""
