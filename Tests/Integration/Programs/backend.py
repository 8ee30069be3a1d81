"""A service for tests: plain answers, slow ones, large ones, event streams and WebSockets, at the port in PORT.

Its manners come from the environment: IGNORE_TERM=1, DIE_AFTER=seconds, UNHEALTHY=1, WRONG_PORT=1, CRASH=1.
"""
import base64
import hashlib
import http.server
import os
import signal
import socketserver
import struct
import sys
import threading
import time

VERSION = os.environ.get("ORCH_MODULE_VERSION", "?")
INSTANCE = os.environ.get("ORCH_INSTANCE_ID", "?")
BIG = 100_000_000
BLOCK = bytes(range(256)) * 256


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def answer(self, body, status=200, kind="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/health" and os.environ.get("UNHEALTHY"):
            self.answer(b"ill\n", 500)
        elif path == "/slow":
            time.sleep(int(query or 500) / 1000)
            self.answer(b"slow\n")
        elif path == "/big":
            self.send_response(200)
            self.send_header("Content-Length", str(BIG))
            self.end_headers()
            left = BIG
            while left > 0:
                left -= self.wfile.write(BLOCK[: min(left, len(BLOCK))])
        elif path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for size in (1, 10, 1000, 100_000):
                self.wfile.write(b"%x\r\n" % size + b"x" * size + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        elif path == "/close":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"until the end\n")
            self.close_connection = True
        elif path == "/broken":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")
            self.close_connection = True
        elif path == "/reset":
            self.close_connection = True
        elif path == "/headers":
            self.answer(str(self.headers).encode())
        elif path == "/events":
            self.events()
        elif path == "/ws":
            self.websocket()
        else:
            self.answer(f"{VERSION} {INSTANCE} {self.path}\n".encode().ljust(int(query) if query.isdigit() else 0, b"."))

    do_HEAD = do_GET

    def do_POST(self):
        if self.path == "/reset":
            self.close_connection = True
            return
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(f"{len(body)} {hashlib.sha256(body).hexdigest()}\n".encode())

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        number = 0
        while True:
            number += 1
            event = f"data: {VERSION} {number}\n\n".encode()
            try:
                self.wfile.write(b"%x\r\n" % len(event) + event + b"\r\n")
                self.wfile.flush()
            except OSError:
                self.close_connection = True
                return
            time.sleep(0.02)

    def websocket(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            length = head[1] & 127
            if length == 126:
                length = struct.unpack(">H", self.rfile.read(2))[0]
            mask = self.rfile.read(4)
            data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(self.rfile.read(length)))
            size = bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length)
            self.wfile.write(bytes([head[0]]) + size + data)
            self.wfile.flush()
            if head[0] & 15 == 8:
                return

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_):
        pass


if os.environ.get("CRASH"):
    sys.exit("no configuration found")
if os.environ.get("IGNORE_TERM"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if after := os.environ.get("DIE_AFTER"):
    threading.Timer(float(after), lambda: (print("fatal: out of luck", flush=True), os._exit(3))).start()
port = int(os.environ["PORT"])
if os.environ.get("WRONG_PORT"):
    port = 0
server = Server(("127.0.0.1", port), Handler)
print("listening on", server.server_port, flush=True)
server.serve_forever()
