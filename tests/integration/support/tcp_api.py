"""HTTP to an address, as plain as can be."""

import http.client

from .http import Answer


class TcpApi:
    def __init__(self, address, headers=None):
        self.address, self.headers = address, headers or {}

    def request(self, method, path, body=None, headers=None, timeout=30):
        connection = http.client.HTTPConnection(self.address, timeout=timeout)
        try:
            try:
                connection.request(method, path, body, {**self.headers, **(headers or {})})
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before the body's end; the answer says why
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()
