"""A server over HTTP+SSE on FastMCP of the official Python SDK, 1.x line. Usage: python sse_server.py PORT

Prints {"ready": url}, and {"arrived": {…}} for each request and each use of `drop`. `whoami` tells the credential of its call.
"""

import asyncio
import sys

import uvicorn
from mcp.server.fastmcp import Context, FastMCP

from plan import say

mcp = FastMCP("sse-server")


@mcp.tool()
def whoami(context: Context) -> str:
    return context.request_context.request.headers.get("authorization", "nobody")


@mcp.tool()
def drop() -> str:
    say({"arrived": {"dropped": True}})
    return "dropped"


app = mcp.sse_app()


async def noting(scope, receive, send):
    if scope["type"] == "http":
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        url = f"{scope['path']}?{scope['query_string'].decode()}"
        say({"arrived": {"method": scope["method"], "url": url, "headers": headers}})
    await app(scope, receive, send)


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        say({"ready": f"http://127.0.0.1:{self.config.port}/sse"})


asyncio.run(Server(uvicorn.Config(noting, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")).serve())
