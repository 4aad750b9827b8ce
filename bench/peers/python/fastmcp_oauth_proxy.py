"""FastMCP with its OAuth proxy before another provider, as it comes: state is sealed in files below FASTMCP_HOME, its page asks for consent.

It refreshes at the other provider whenever its own token is refreshed. The verifier of tokens has no part in what is measured.
"""

from fastmcp import FastMCP
from fastmcp.server.auth import OAuthProxy
from fastmcp.server.auth.providers.debug import DebugTokenVerifier

from serve import origin, run, settings

proxy = OAuthProxy(
    upstream_authorization_endpoint=f"{settings['provider']}/authorize",
    upstream_token_endpoint=f"{settings['provider']}/token",
    upstream_client_id="peer",
    upstream_client_secret="secret-of-the-peer-0123456789abcdef",
    token_verifier=DebugTokenVerifier(),
    base_url=origin,
    valid_scopes=["notes:read"],
)
run(FastMCP("peer", auth=proxy))
