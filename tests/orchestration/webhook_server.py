"""A server on this machine that hears webhooks."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any


@contextlib.contextmanager
def webhook_server(secret: str) -> Iterator[SimpleNamespace]:
    """Its address with a secret (url), what it was sent (bodies: path, type, content), and what it answers."""
    heard = SimpleNamespace(bodies=[], answer=200, url="")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            heard.bodies.append((self.path, self.headers["Content-Type"], json.loads(content)))
            self.send_response(heard.answer)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    heard.url = f"http://127.0.0.1:{server.server_port}/hooks/{secret}"
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
