// The official TypeScript SDK, 1.x line, over HTTP+SSE. Usage: node ts-sdk-1-sse.mjs SSE_URL PLAN (see plan.mjs).

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { auth, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { run } from './plan.mjs';

await run({
  name: 'TypeScript SDK 1 over SSE',
  transport: (url, authProvider) => new SSEClientTransport(url, { authProvider }),
  connect: async transport => {
    const client = new Client({ name: 'ts-sdk-1-sse', version: '1.0.0' });
    await client.connect(transport);
    return client;
  },
  finish: (transport, answer) => transport.finishAuth(answer.get('code')),
  refresh: (provider, serverUrl) => auth(provider, { serverUrl }),
  isUnauthorized: error => error instanceof UnauthorizedError,
});
