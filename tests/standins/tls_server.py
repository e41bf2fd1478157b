"""A server with a certificate that has nothing: 401 for who brings no credential, 404 for others."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BODY = b'{"message": "Not Found"}'
CREDENTIALS = ("authorization", "private-token", "x-api-key")


@contextmanager
def serving_nothing(certificate: Path | None = None) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the credentials that were brought. With a ``certificate`` (PEM, its private
    key in the same file) it speaks TLS."""
    credentials: list[str] = []

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = [self.headers[name] for name in CREDENTIALS if name in self.headers]
            credentials.extend(told)
            self.send_response(404 if told else 401)
            if not told:
                self.send_header("WWW-Authenticate", 'Basic realm="nothing"')
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            scheme = "https" if certificate else "http"
            yield f"{scheme}://127.0.0.1:{server.server_address[1]}", credentials
        finally:
            server.shutdown()
            thread.join()
