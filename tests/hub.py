"""A stand-in of huggingface.co on this machine: the few answers that its client needs to download a repository."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """A server of one repository.

    Parameters
    ----------
    files : mapping of str to bytes
        Content of the repository.
    """

    commit = COMMIT

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.files, self.asked = dict(files), []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def constants(self, cache: Path) -> dict[str, Any]:
        """Constants of the client that make it ask this server, although something may have imported it offline."""
        from huggingface_hub import constants

        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, self.endpoint)
        return {
            "ENDPOINT": self.endpoint,
            "HUGGINGFACE_CO_URL_TEMPLATE": template,
            "HF_HUB_OFFLINE": False,
            "HF_HUB_CACHE": str(cache),
        }


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Hub]:
    """Serve a repository while the block runs."""
    server = Hub(files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Answers(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        assert isinstance(self.server, Hub)
        self.server.asked.append(self.path)
        path = self.path.partition("?")[0]
        if match := re.fullmatch(r"/api/models/(.+?)/(revision|tree)/([^/]+)", path):
            self.say(json.dumps(self.about(match[1], match[2])).encode(), body, {"Content-Type": "application/json"})
        elif (match := re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path)) and match[3] in self.server.files:
            content = self.server.files[match[3]]
            tag = hashlib.sha256(content).hexdigest()
            self.say(content, body, {"ETag": f'"{tag}"', "X-Repo-Commit": self.server.commit})
        else:
            self.send_error(404)

    def about(self, repository: str, what: str) -> Any:
        assert isinstance(self.server, Hub)
        if what == "revision":
            return {"id": repository, "sha": self.server.commit, "siblings": []}
        sizes = {name: len(content) for name, content in self.server.files.items()}
        return [{"type": "file", "path": name, "size": size, "oid": "0" * 40} for name, size in sizes.items()]

    def say(self, content: bytes, body: bool, headers: dict[str, str]) -> None:
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        return
