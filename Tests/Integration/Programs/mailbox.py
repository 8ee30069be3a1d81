"""Takes mails and writes their subjects and message ids down, a line each: mailbox.py PORT FILE [refuse]."""
import asyncio, email, email.header, sys

from aiosmtpd.controller import Controller

port, path = int(sys.argv[1]), sys.argv[2]


class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content)
        subject = str(email.header.make_header(email.header.decode_header(mail["Subject"])))
        body = mail.get_payload(decode=True).decode()
        with open(path, "a") as out:
            out.write("%s\t%s\t%s\n" % (mail["Message-ID"], subject, body.replace("\n", "\\n")))
        return "250 taken"


controller = Controller(Handler(), hostname="127.0.0.1", port=port)
controller.start()
print("ready", flush=True)
asyncio.new_event_loop().run_forever()
