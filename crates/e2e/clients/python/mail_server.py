"""A mail server that takes mail over TLS from whoever knows the password, and prints each as a JSON line.

The argument is JSON: port, certificate and key (files), user, password, and busy: how many mails it first asks to come again.
"""

import email
import email.policy
import json
import ssl
import sys
import threading
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

settings = json.loads(sys.argv[1])
# It does not see that TLS was there from the first byte.
warnings.simplefilter("ignore")


class Inbox:
    def __init__(self):
        self.busy = settings["busy"]

    async def handle_DATA(self, server, session, envelope):
        if self.busy > 0:
            self.busy -= 1
            return "451 4.7.1 come again"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        line = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": message["subject"],
            "text": message.get_content(),
            "message_id": message["message-id"],
        }
        print(json.dumps(line), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    known = (settings["user"].encode(), settings["password"].encode())
    good = isinstance(data, LoginPassword) and (data.login, data.password) == known
    return AuthResult(success=good)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(settings["certificate"], settings["key"])
controller = Controller(
    Inbox(),
    hostname="127.0.0.1",
    port=settings["port"],
    server_kwargs={"auth_require_tls": False, "auth_required": True, "authenticator": authenticate},
    ssl_context=context,
)
controller.start()
print(json.dumps({"ready": settings["port"]}), flush=True)
threading.Event().wait()
