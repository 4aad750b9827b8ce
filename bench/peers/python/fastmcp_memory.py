"""FastMCP with the OAuth provider in memory that comes with it. It asks nobody anything."""

from fastmcp import FastMCP
from fastmcp.server.auth.auth import ClientRegistrationOptions
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider

from serve import origin, run

registration = ClientRegistrationOptions(enabled=True, valid_scopes=["notes:read"], default_scopes=["notes:read"])
run(FastMCP("peer", auth=InMemoryOAuthProvider(base_url=origin, client_registration_options=registration)))
