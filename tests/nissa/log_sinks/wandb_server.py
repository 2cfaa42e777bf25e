"""A server on the loopback interface that answers `wandb sync` as W&B's does, and keeps what it is sent."""

import gzip
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RUN = {
    "id": "cnVu",
    "name": "run",
    "displayName": "run",
    "description": None,
    "config": "{}",
    "sweepName": None,
    "project": {"id": "cA==", "name": "esper", "entity": {"id": "ZQ==", "name": "me"}},
    "historyLineCount": 0,
}


class WandbServer:
    """Takes runs.

    Attributes:
        url: its address.
        rows: the rows of the history by number.
        exit_code: the exit code of the run; None before its end.
        files: content of each file by its name.
    """

    def __init__(self):
        self.rows, self.files, self.exit_code = {}, {}, None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                answer = json.dumps(outer.take(self.path, body)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = answer  # noqa: N815  # http.server looks these names up

            def log_message(self, *args):
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, path, body):
        """Keep what a request brings, and return the answer."""
        if path.endswith("/graphql"):
            return {"data": self._answer(json.loads(body))}
        if path.startswith("/upload/"):
            self.files[path.removeprefix("/upload/")] = body
        elif path.endswith("/file_stream"):
            request = json.loads(body)
            history = request.get("files", {}).get("wandb-history.jsonl", {"content": []})
            for number, line in enumerate(history["content"], history.get("offset", 0)):
                self.rows[number] = json.loads(line)
            if request.get("complete"):
                self.exit_code = request["exitcode"]
        return {}

    def _answer(self, request):
        name = re.search(r"(?:query|mutation)\s+(\w+)", request["query"])[1]
        if name == "UpsertBucket":
            return {"upsertBucket": {"bucket": RUN, "inserted": True}}
        if name == "CreateRunFiles":
            files = [
                {"name": one, "uploadUrl": f"{self.url}/upload/{one}"}
                for one in request["variables"]["files"]
            ]
            return {"createRunFiles": {"runID": RUN["id"], "uploadHeaders": [], "files": files}}
        return {}
