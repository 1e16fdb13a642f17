"""A small HTTP server on this machine that serves bytes and fails on demand, for the tests of downloading."""

from __future__ import annotations

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FileServer:
    """Serves ``files``; what it shall do wrong is set while it runs.

    drop_after (list): Bytes after which the next answers break off, one each.
    status (list): Statuses of the next answers instead of 200.
    accept_ranges, etag (bool): What the server offers.
    delay (float): Seconds before it answers.
    ranges (list): The Range header of each request so far.
    sent (int): Bytes sent so far.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.drop_after: list[int] = []
        self.status: list[int] = []
        self.accept_ranges = self.etag = True
        self.delay = 0.0
        self.ranges: list[str | None] = []
        self.sent = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FileServer:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(server: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(server.delay)
            wanted = self.headers.get("Range")
            server.ranges.append(wanted)
            data = server.files.get(self.path)
            status = server.status.pop(0) if server.status else 200 if data is not None else 404
            if data is None or status != 200:
                self.send_error(status)
                return
            tag = f'"{hashlib.sha256(data).hexdigest()}"'
            start = 0
            if wanted and server.accept_ranges and self.headers.get("If-Range", tag) == tag:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(data):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(data) - start))
            if server.etag:
                self.send_header("ETag", tag)
            self.end_headers()
            end = start + server.drop_after.pop(0) if server.drop_after else len(data)
            self.wfile.write(data[start:end])
            server.sent += len(data[start:end])
            if end < len(data):
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
