// The official TypeScript SDK, 2.x line: speaks the stateless wire of 2026-07-28 where the server does.
// Usage: node ts-sdk-2.mjs MCP_URL PLAN (see plan.mjs).

import { auth, Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { run } from './plan.mjs';

await run({
  name: 'TypeScript SDK 2',
  transport: (url, authProvider) => new StreamableHTTPClientTransport(url, { authProvider }),
  connect: async transport => {
    const client = new Client({ name: 'ts-sdk-2', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
    await client.connect(transport);
    return client;
  },
  finish: (transport, answer) => transport.finishAuth(answer),
  refresh: (provider, serverUrl) => auth(provider, { serverUrl }),
  isUnauthorized: error => error instanceof UnauthorizedError,
});
