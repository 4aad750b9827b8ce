"""The client of FastMCP, on the Python SDK 2.x: it opens the authorization link itself before the browser does.

Usage: python fastmcp_client.py MCP_URL PLAN (see plan.py).
"""

import asyncio
import webbrowser
from contextlib import asynccontextmanager
from types import SimpleNamespace

from fastmcp import Client
from fastmcp.client.auth import OAuth
from key_value.aio.stores.memory import MemoryStore

from plan import run, say

# The person at the browser is the test's.
webbrowser.open = lambda url, *_: bool(say({"authorize": url})) or True
provider = OAuth(client_name="FastMCP", token_storage=MemoryStore())


@asynccontextmanager
async def sdk(url, _listener, storage):
    async with Client(url, auth=provider) as client:

        async def list_tools():
            return SimpleNamespace(tools=await client.list_tools())

        async def call_tool(name, arguments):
            return await client.call_tool(name, arguments, raise_on_error=False)

        yield SimpleNamespace(list_tools=list_tools, call_tool=call_tool), provider
    storage.tokens = provider.context.current_tokens


asyncio.run(run(sdk))
