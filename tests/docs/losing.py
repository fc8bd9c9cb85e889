"""A proxy that forwards every request and loses the first answer of some: a till's bad day."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, server: str, lose: set[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server_name = server
        self.lose = lose
        self.lost: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection(self.server.server_name, timeout=30)
        connection.request(self.command, self.path, body=body, headers=dict(self.headers))
        answer = connection.getresponse()
        told = answer.read()
        connection.close()
        if self.path in self.server.lose:
            self.server.lose.discard(self.path)
            self.server.lost.append(self.path)
            self.close_connection = True  # It was done, and nobody hears of it.
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(told)

    do_GET = _forward  # noqa: N815  (the base class names them)
    do_POST = _forward  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def losing(base_url: str, *paths: str) -> Iterator[tuple[str, list[str]]]:
    """Stand before a server and lose the first answer of each path; tell which were lost."""
    proxy = _Proxy(urlsplit(base_url).netloc, set(paths))
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}", proxy.lost
    finally:
        proxy.shutdown()
        proxy.server_close()
