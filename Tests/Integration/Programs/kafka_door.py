"""A door before a Kafka broker, as clusters have it: kafka_door.py PORT BROKER_PORT CERTIFICATE KEY MECHANISM USER PASSWORD.

Speaks TLS and SASL (PLAIN or SCRAM-SHA-256), then passes everything on; the broker's address is replaced by its own. Every
sign-in is printed.
"""
import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
import sys
import threading

port, broker, certificate, key, mechanism, user, password = sys.argv[1:]
port, broker = int(port), int(broker)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
HANDSHAKE, AUTHENTICATE, VERSIONS = 17, 36, 18


def exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def frame(connection):
    return exactly(connection, struct.unpack(">i", exactly(connection, 4))[0])


def answer(connection, request, body):
    data = request[4:8] + body
    connection.sendall(struct.pack(">i", len(data)) + data)


class Refused(Exception):
    pass


def scram(text, state):
    if "first" not in state:
        bare = text.split("n,,", 1)[1]
        state["nonce"] = dict(part.split("=", 1) for part in bare.split(","))["r"] + base64.b64encode(os.urandom(12)).decode()
        state["salt"] = os.urandom(16)
        first = "r=%s,s=%s,i=4096" % (state["nonce"], base64.b64encode(state["salt"]).decode())
        state["first"] = bare + "," + first
        return first, False
    fields = dict(part.split("=", 1) for part in text.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), state["salt"], 4096)
    message = (state["first"] + "," + text.rsplit(",p=", 1)[0]).encode()
    client = hmac.new(salted, b"Client Key", "sha256").digest()
    signature = hmac.new(hashlib.sha256(client).digest(), message, "sha256").digest()
    if base64.b64decode(fields["p"]) != bytes(a ^ b for a, b in zip(client, signature)):
        raise Refused
    server = hmac.new(salted, b"Server Key", "sha256").digest()
    return "v=" + base64.b64encode(hmac.new(server, message, "sha256").digest()).decode(), True


def sign_in(connection):
    state = {}
    while True:
        request = frame(connection)
        api, version = struct.unpack(">hh", request[:4])
        client = struct.unpack(">h", request[8:10])[0]
        body = request[10 + max(0, client):]
        if api == VERSIONS and version > 0:
            answer(connection, request, struct.pack(">h", 35) + struct.pack(">i", 1) + struct.pack(">hhh", VERSIONS, 0, 0))
        elif api == VERSIONS:
            known = [(VERSIONS, 0, 0), (HANDSHAKE, 0, 1), (AUTHENTICATE, 0, 0), (0, 0, 8), (1, 4, 11), (2, 1, 5), (3, 0, 8), (19, 0, 4), (22, 0, 1)]
            answer(connection, request, struct.pack(">hi", 0, len(known)) + b"".join(struct.pack(">hhh", *entry) for entry in known))
        elif api == HANDSHAKE:
            name = mechanism.encode()
            fits = body[2:] == name
            answer(connection, request, struct.pack(">hi", 0 if fits else 33, 1) + struct.pack(">h", len(name)) + name)
        elif api == AUTHENTICATE:
            given = body[4:]
            try:
                if mechanism == "PLAIN":
                    if given.split(b"\0")[1:] != [user.encode(), password.encode()]:
                        raise Refused
                    reply, done = "", True
                else:
                    reply, done = scram(given.decode(), state)
            except Refused:
                print("refused", flush=True)
                text = b"wrong password"
                answer(connection, request, struct.pack(">hh", 58, len(text)) + text + struct.pack(">i", 0))
                return False
            answer(connection, request, struct.pack(">hh", 0, -1) + struct.pack(">i", len(reply)) + reply.encode())
            if done:
                print("signed in", flush=True)
                return True
        else:
            return False


def pump(source, target, change):
    try:
        while True:
            data = frame(source)
            if change:
                data = data.replace(b"127.0.0.1" + struct.pack(">i", broker), b"127.0.0.1" + struct.pack(">i", port))
            target.sendall(struct.pack(">i", len(data)) + data)
    except (OSError, EOFError):
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(raw):
    try:
        connection = context.wrap_socket(raw, server_side=True)
        if not sign_in(connection):
            connection.close()
            return
        inner = socket.create_connection(("127.0.0.1", broker))
        threading.Thread(target=pump, args=(inner, connection, True), daemon=True).start()
        pump(connection, inner, False)
    except (OSError, EOFError):
        pass


listener = socket.create_server(("127.0.0.1", port))
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
