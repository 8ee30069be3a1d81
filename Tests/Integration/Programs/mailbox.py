"""A mail server that writes down what it takes: message id, subject and text, a line each.

usage: mailbox.py PORT FILE [starttls|tls CERTIFICATE KEY USER PASSWORD]
"""

import email
import email.policy
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

port, path, *protection = sys.argv[1:]


class Mailbox:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 there is nobody"
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = mail.get_content().replace("\n", "\\n")
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{mail['Message-ID']}\t{mail['Subject']}\t{body}\n")
        return "250 taken"


options = {}
if protection:
    kind, certificate, key, user, password = protection
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def authenticate(server, session, envelope, mechanism, data):
        isRight = data.login == user.encode() and data.password == password.encode()
        return AuthResult(success=isRight, handled=False)

    options = {"auth_required": True, "authenticator": authenticate}
    if kind == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    else:
        # Its own client, which asks whether it has started, speaks no TLS.
        options |= {"ssl_context": context, "auth_require_tls": False}

controller = Controller(Mailbox(), hostname="127.0.0.1", port=int(port), **options)
controller.start()
print("ready", flush=True)
threading.Event().wait()
