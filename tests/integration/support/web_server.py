"""A web server with a few pages."""
import http.server
import threading


class WebServer:
    """`pages`: path -> (status, headers, body); a Content-Length among the headers may lie. What was asked for stands in
    `requests`: (path, headers)."""

    def __init__(self, pages):
        self.pages, self.requests = pages, []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                web.requests.append((self.path, dict(self.headers)))
                status, headers, body = web.pages.get(self.path, (404, {}, b"  nothing is here\n"))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
