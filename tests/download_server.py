"""A server on this machine that serves one file, as badly as a test tells it to."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONTENT = hashlib.shake_256(b"weights").digest(1_500_000)


class DownloadServer(ThreadingHTTPServer):
    """Serves `content` under every path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.etag = '"v1"'
        self.ranges = True
        self.cuts: list[int] = []
        """Bytes to send before hanging up, one for each request."""
        self.stall_at: int | None = None
        """Bytes after which it waits until `released`, and hangs up."""
        self.held: dict[str, int] = {}
        """By path, bytes after which it waits until `released`, and goes on."""
        self.statuses: list[int] = []
        """Errors to answer with, one for each request."""
        self.length: str | None = None
        """To say instead of the true one; "": none."""
        self.lie = 0
        """Is added to where Content-Range begins."""
        self.requests: list[dict[str, str]] = []
        """Headers."""
        self.paths: list[str] = []
        self.released = threading.Event()

    def url(self, path: str) -> str:
        """Return the address of a path here."""
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: DownloadServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        server.requests.append(dict(self.headers))
        server.paths.append(self.path)
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        fresh = self.headers.get("If-Range", server.etag) == server.etag
        size = len(server.content)
        start = int(asked[1]) if asked and server.ranges and fresh else 0
        if asked and server.ranges and fresh and start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            first = start + server.lie
            self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        if server.length != "":
            self.send_header("Content-Length", server.length or str(size - start))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        end = start + server.cuts.pop(0) if server.cuts else size
        if (held := server.held.get(self.path, server.stall_at)) is not None:
            self.wfile.write(server.content[start:held])
            self.wfile.flush()
            server.released.wait(20)
            if server.stall_at is not None:
                return
            start = max(start, held)
        self.wfile.write(server.content[start:end])
