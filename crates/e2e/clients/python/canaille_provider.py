"""The identity server Canaille, built on Authlib, in memory on loopback: an OpenID provider of another make.

Usage: python canaille_provider.py SETTINGS, where SETTINGS is JSON: port, password, clients, and perhaps accessSeconds. A
client has id, redirectUri, and perhaps secret, scope and audience, which is the name of a further client. The accounts are
alice and bob, with that password. Prints {"ready": issuer} once it listens.
"""

import datetime
import json
import secrets
import sys
import threading

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from werkzeug.serving import WSGIRequestHandler, make_server

from plan import say

settings = json.loads(sys.argv[1])
place = f"127.0.0.1:{settings['port']}"
seconds = settings.get("accessSeconds", 3600)
app = create_app(
    {
        "SECRET_KEY": secrets.token_hex(32),
        "SERVER_NAME": place,
        "PREFERRED_URL_SCHEME": "http",
        "OAUTH2_TOKEN_EXPIRES_IN": {"authorization_code": seconds, "refresh_token": seconds},
        "CANAILLE": {"DATABASE": "memory", "CAPTCHA_ENABLED": False, "TIMEZONE": "UTC"},
        "CANAILLE_OIDC": {
            # No client is trusted, so that its page of consent is seen.
            "TRUSTED_DOMAINS": ["nobody.invalid"],
            # Clients of MCP servers send none.
            "REQUIRE_NONCE": not any("audience" in client for client in settings["clients"]),
        },
    }
)


def add_client(client_id, redirect_uri=None, secret=None, scope=None, audience=None):
    client = models.Client(
        client_id=client_id,
        client_name=client_id,
        client_id_issued_at=datetime.datetime.now(datetime.timezone.utc),
        client_secret=secret,
        redirect_uris=[redirect_uri] if redirect_uri else [],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        scope=(scope or "openid profile email").split(),
        token_endpoint_auth_method="client_secret_basic" if secret else "none",
    )
    Backend.instance.save(client)
    client.audience = [client, add_client(audience)] if audience else [client]
    Backend.instance.save(client)
    return client


with app.app_context(), app.backend.session():
    for name in ["Alice", "Bob"]:
        user = models.User(
            user_name=name.lower(),
            formatted_name=f"{name} Example",
            family_name="Example",
            given_name=name,
            emails=[f"{name.lower()}@example.com"],
            password=settings["password"],
        )
        Backend.instance.save(user)
    for client in settings["clients"]:
        add_client(
            client["id"], client["redirectUri"], client.get("secret"), client.get("scope"), client.get("audience")
        )


class Quiet(WSGIRequestHandler):
    def log_request(self, *_):
        pass


one_at_a_time = threading.Lock()


def serve(environ, start_response):
    # Its store in memory knows no threads.
    with one_at_a_time:
        return app(environ, start_response)


server = make_server("127.0.0.1", settings["port"], serve, threaded=True, request_handler=Quiet)
say({"ready": f"http://{place}"})
server.serve_forever()
