"""The official Python SDK, 1.x line, over HTTP+SSE. Usage: python sdk_1_sse.py SSE_URL PLAN (see plan.py)."""

import asyncio
from contextlib import asynccontextmanager

from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.sse import sse_client
from mcp.shared.auth import OAuthClientMetadata

from plan import run, say


@asynccontextmanager
async def sdk(url, listener, storage):
    async def open_browser(authorize):
        say({"authorize": authorize})

    async def wait_for_callback():
        answer = await listener.next()
        return answer["code"], answer.get("state")

    provider = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name="Python SDK 1 over SSE",
            redirect_uris=[listener.url],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
        ),
        storage=storage,
        redirect_handler=open_browser,
        callback_handler=wait_for_callback,
    )
    async with sse_client(url, auth=provider, timeout=60) as (read, write):
        async with ClientSession(read, write) as session:
            await session.initialize()
            yield session, provider


asyncio.run(run(sdk))
