"""The official Python SDK, 2.x line: speaks the stateless wire of 2026-07-28 where the server does.

Usage: python sdk_2.py MCP_URL PLAN (see plan.py).
"""

import asyncio
from contextlib import asynccontextmanager

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from plan import run, say


@asynccontextmanager
async def sdk(url, listener, storage):
    async def open_browser(authorize):
        say({"authorize": authorize})

    async def wait_for_callback():
        answer = await listener.next()
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    provider = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name="Python SDK 2",
            redirect_uris=[listener.url],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
        ),
        storage=storage,
        redirect_handler=open_browser,
        callback_handler=wait_for_callback,
    )
    async with httpx2.AsyncClient(auth=provider, timeout=60) as http_client:
        async with Client(streamable_http_client(url, http_client=http_client)) as client:
            yield client, provider


asyncio.run(run(sdk))
