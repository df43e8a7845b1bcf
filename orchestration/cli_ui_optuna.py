"""Optuna's dashboard beside `madv ui`, in threads of the same process: a password in a storage's address stays here."""

from __future__ import annotations

import threading
import wsgiref.simple_server
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.search_plan import Search


class OptunaUi:
    """The dashboard of a search's studies, from when there is one."""

    name = "Optuna"

    def __init__(self, search: Search, host: str, port: int) -> None:
        self._search = search
        self._host, self._port = host, port
        self._server: _Server | None = None
        self.link: str | None = None
        """Where to look; None until there is a study."""
        self.state = "the study has not begun"
        """In words, for as long as there is no link."""

    def look(self) -> None:
        """Start it when the study is there."""
        from orchestration.search_study import open_storage, open_study, storage_url

        if self._server is not None or open_study(self._search, create=False) is None:
            return
        from optuna_dashboard import wsgi

        made = wsgiref.simple_server.make_server(
            self._host, self._port, wsgi(open_storage(storage_url(self._search))), _Server, _Quiet
        )
        self._server = made
        threading.Thread(target=made.serve_forever, name="optuna", daemon=True).start()
        self.link = f"http://{self._host}:{self._port}/dashboard/"

    def close(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Server(ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *_: object) -> None:
        """A line for each request would drown the addresses."""
