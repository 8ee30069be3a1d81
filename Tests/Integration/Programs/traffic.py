"""traffic.py PORT TLS_PORT STOP_FILE: uses a service in every way at once until the file is there, and prints what failed.

Every answer must be whole and right. A stream may end when it ends properly, and a connection when the other side said so.
"""
import asyncio
import base64
import collections
import hashlib
import json
import os
import ssl
import sys

PORT, TLS_PORT, STOP = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
BIG = 100_000_000
counts = collections.Counter()
failures = []
TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


def over():
    return os.path.exists(STOP)


async def connect(tls=False):
    return await asyncio.open_connection("127.0.0.1", TLS_PORT if tls else PORT, ssl=TLS if tls else None)


async def head(reader):
    raw = await reader.readuntil(b"\r\n\r\n")
    lines = raw.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    return int(lines[0].split()[1]), fields


async def exchange(reader, writer, request, expected=None):
    """One request; returns whether the connection goes on."""
    writer.write(request)
    status, fields = await head(reader)
    body = await reader.readexactly(int(fields["content-length"]))
    if status != 200:
        raise ValueError(f"status {status}: {body[:200]!r}")
    if expected is not None and body != expected:
        raise ValueError(f"wrong answer {body[:100]!r}")
    return fields.get("connection") != "close"


def get(path, extra=""):
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{extra}\r\n".encode()


async def keep_alive(name, request, expected=None, tls=False):
    while not over():
        reader, writer = await connect(tls)
        while not over():
            goes_on = await exchange(reader, writer, request, expected)
            counts[name] += 1
            await asyncio.sleep(0.002)
            if not goes_on:
                break
        writer.close()


async def one_each(name):
    while not over():
        reader, writer = await connect()
        await exchange(reader, writer, get("/", "Connection: close\r\n"))
        if await reader.read():
            raise ValueError("more came than was announced")
        counts[name] += 1
        writer.close()
        await asyncio.sleep(0.005)


async def download(name):
    while not over():
        reader, writer = await connect()
        writer.write(get("/big"))
        status, fields = await head(reader)
        left = int(fields["content-length"])
        if status != 200 or left != BIG:
            raise ValueError(f"status {status}, {left} bytes")
        while left:
            block = await reader.read(min(left, 1 << 20))
            if not block:
                raise ValueError(f"the download broke off, {left} bytes are missing")
            left -= len(block)
        counts[name] += 1
        writer.close()
        await asyncio.sleep(1)


async def events(name):
    while not over():
        reader, writer = await connect()
        writer.write(get("/events"))
        status, _ = await head(reader)
        if status != 200:
            raise ValueError(f"status {status}")
        while not over():
            size = int(await reader.readuntil(b"\r\n"), 16)
            await reader.readexactly(size + 2)
            if size == 0:
                counts[name + " ended properly"] += 1
                break
            counts[name] += 1
        writer.close()


async def websocket(name):
    payload = b"hello" * 40
    while not over():
        reader, writer = await connect()
        key = base64.b64encode(os.urandom(16)).decode()
        fields = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        writer.write(get("/ws", fields))
        status, answer = await head(reader)
        wanted = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        if status != 101 or answer["sec-websocket-accept"] != wanted.decode().lower():
            raise ValueError(f"status {status}")
        while not over():
            mask = os.urandom(4)
            masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
            writer.write(b"\x81\xfe" + len(payload).to_bytes(2, "big") + mask + masked)
            first = await reader.readexactly(2)
            if first[0] & 15 == 8:
                code = int.from_bytes(await reader.readexactly(first[1]), "big")
                if code != 1001:
                    raise ValueError(f"closed with {code}")
                counts[name + " ended properly"] += 1
                break
            if await reader.readexactly(2 + len(payload)) != len(payload).to_bytes(2, "big") + payload:
                raise ValueError("wrong echo")
            counts[name] += 1
            await asyncio.sleep(0.01)
        writer.close()


async def watched(name, make):
    while not over():
        try:
            await make(name)
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__} {error}")
            await asyncio.sleep(0.05)


async def main():
    body = b"x" * 20_000
    echo = f"{len(body)} {hashlib.sha256(body).hexdigest()}\n".encode()
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n" + body + b"\r\n0\r\n\r\n"
    ways = {
        "get": lambda name: keep_alive(name, get("/")),
        "post": lambda name: keep_alive(name, post, echo),
        "chunked post": lambda name: keep_alive(name, chunked, echo),
        "tls": lambda name: keep_alive(name, get("/"), tls=True),
        "slow": lambda name: keep_alive(name, get("/slow?300"), b"slow\n"),
        "one each": one_each,
        "download": download,
        "events": events,
        "websocket": websocket,
    }
    await asyncio.gather(*(watched(name, make) for name, make in ways.items() for _ in range(1 if name == "download" else 3)))
    print(json.dumps({"counts": counts, "failures": failures[:20], "failed": len(failures)}))


asyncio.run(main())
