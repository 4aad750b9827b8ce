"""What the scripts of both Python SDK lines share: a callback listener, a token storage in memory, and the plan.

A plan is a JSON array: "list", "refresh", {"call": tool, "arguments": {…}}, or {"refused": tool} for a call that must fail.
Each step prints one JSON line. Whenever the SDK wants a person, {"authorize": url} is printed and the listener waits for the
browser.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit


def say(line):
    print(json.dumps(line), flush=True)


class CallbackListener:
    """Listens on a free loopback port and hands out each callback's query once."""

    def __init__(self):
        self._arrived = asyncio.Queue()

    async def start(self):
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/callback"

    async def _answer(self, reader, writer):
        target = (await reader.readline()).decode().split(" ")[1]
        while (await reader.readline()).strip():
            pass
        page = b"<!doctype html><title>Client</title><p>The client has its answer.</p>"
        found = urlsplit(target).path == "/callback"
        status = b"200 OK" if found else b"404 Not Found"
        head = b"HTTP/1.1 %s\r\ncontent-type: text/html\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        writer.write(head % (status, len(page)) + page)
        await writer.drain()
        writer.close()
        if found:
            await self._arrived.put({name: values[0] for name, values in parse_qs(urlsplit(target).query).items()})

    async def next(self):
        return await self._arrived.get()


class Storage:
    """A TokenStorage in memory."""

    def __init__(self):
        self.tokens = None
        self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


async def run(sdk):
    """Runs the plan. `sdk(url, listener, storage)` is an async context manager that yields a session and the
    provider behind it."""
    server_url, plan = sys.argv[1], json.loads(sys.argv[2])
    listener, storage = CallbackListener(), Storage()
    await listener.start()
    try:
        for step in plan:
            if step == "refresh":
                # The SDK refreshes when its clock says that the token has expired, so it is told so.
                before = storage.tokens
                async with sdk(server_url, listener, storage) as (session, provider):
                    provider.context.token_expiry_time = 1.0
                    await session.list_tools()
                after = storage.tokens
                say(
                    {
                        "refreshed": after.access_token != before.access_token,
                        "rotated": after.refresh_token != before.refresh_token,
                    }
                )
                continue
            async with sdk(server_url, listener, storage) as (session, _):
                if step == "list":
                    say({"tools": [tool.name for tool in (await session.list_tools()).tools]})
                elif "refused" in step:
                    why = None
                    try:
                        await asyncio.wait_for(session.call_tool(step["refused"]), 30)
                    except Exception as error:
                        why = str(error)
                    say({"refused": step["refused"], "why": why})
                else:
                    result = await session.call_tool(step["call"], step.get("arguments", {}))
                    failed = getattr(result, "isError", None) or getattr(result, "is_error", None)
                    text = "".join(getattr(part, "text", "") for part in result.content)
                    say({"called": step["call"], "isError": bool(failed), "text": text})
        secrets = [storage.tokens.access_token, storage.tokens.refresh_token]
        say({"done": True, "secrets": [secret for secret in secrets if secret]})
    except BaseException as error:  # the task groups of the SDK raise groups; the line must say what is inside
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        say({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)
