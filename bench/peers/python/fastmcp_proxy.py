"""FastMCP as a proxy before an MCP server, with JWTs verified by a key that it has, and each user's own credential sent on.

As it comes, each call opens a client of its own for the server behind. With "tuned", each user's client stays connected.
"""

from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token
from fastmcp.server.providers.proxy import FastMCPProxy, ProxyClient
from joserfc import jwk
from pydantic import AnyHttpUrl

from serve import origin, run, settings

kept = {}


def client():
    user = get_access_token().claims["sub"]
    headers = {"authorization": f"Bearer {settings['credentials'][user]}"}
    return ProxyClient(StreamableHttpTransport(settings["upstream"], headers=headers), mode="auto")


async def kept_client():
    user = get_access_token().claims["sub"]
    if user not in kept:
        kept[user] = client()
        await kept[user].__aenter__()
    return kept[user]


verifier = JWTVerifier(
    public_key=jwk.import_key(settings["jwk"], "EC").as_pem().decode(),
    algorithm="ES256",
    issuer=settings["issuer"],
    audience=settings["audience"],
    required_scopes=[settings["scope"]],
)
auth = RemoteAuthProvider(token_verifier=verifier, authorization_servers=[AnyHttpUrl(settings["issuer"])], base_url=origin)
run(FastMCPProxy(client_factory=kept_client if settings["tuned"] else client, name="peer", auth=auth))
