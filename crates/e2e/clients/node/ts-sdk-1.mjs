// The official TypeScript SDK, 1.x line. Usage: node ts-sdk-1.mjs MCP_URL PLAN (see plan.mjs).

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { auth, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { run } from './plan.mjs';

await run({
  name: 'TypeScript SDK 1',
  transport: (url, authProvider) => new StreamableHTTPClientTransport(url, { authProvider }),
  connect: async transport => {
    const client = new Client({ name: 'ts-sdk-1', version: '1.0.0' });
    await client.connect(transport);
    return client;
  },
  finish: (transport, answer) => transport.finishAuth(answer.get('code')),
  refresh: (provider, serverUrl) => auth(provider, { serverUrl }),
  isUnauthorized: error => error instanceof UnauthorizedError,
});
