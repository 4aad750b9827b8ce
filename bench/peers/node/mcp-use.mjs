// mcp-use as a server whose tool asks the MCP server behind it, with the user's own credential: its own proxy needs a package that is not
// public, and has one credential for all. The framework verifies the JWT by a key set, which this program serves to it once.
// For speed: NODE_ENV=production, no log, and undici with connections that stay open.

import { createServer } from 'node:http';
import { MCPServer } from 'mcp-use';
import { createJwtVerifier, oauthCustomProvider } from 'mcp-use/oauth';
import { Pool } from 'undici';
import { z } from 'zod';
import { place, settings } from './serve.mjs';

const { audience, credentials, issuer, jwk, scope } = settings;
const upstream = new URL(settings.upstream);
const pool = new Pool(upstream.origin, { connections: 128 });

const keys = createServer((_, response) => response.end(JSON.stringify({ keys: [jwk] })));
await new Promise(done => keys.listen(0, '127.0.0.1', done));
const jwksUrl = new URL(`http://127.0.0.1:${keys.address().port}/jwks.json`);

const server = new MCPServer({
  name: 'peer',
  version: '1.0.0',
  logging: { enabled: false },
  skills: false,
  oauth: oauthCustomProvider({
    resource: audience,
    requiredScopes: [scope],
    createTokenVerifier: resource => createJwtVerifier({ issuer, jwksUrl, resource, algorithms: ['ES256'] }),
    oauthMetadata: {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      response_types_supported: ['code'],
    },
    mapAuthInfo: ({ extra, scopes }) => ({ user: { id: extra.payload.sub }, payload: extra.payload, permissions: scopes }),
  }),
});

server.tool(
  { name: 'get_repos', inputSchema: z.object({ owner: z.string().optional(), filter: z.string().optional() }) },
  async (args, { auth }) => {
    const headers = {
      authorization: `Bearer ${credentials[auth.user.id]}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'get_repos',
    };
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'peer', version: '1.0.0' },
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'get_repos', arguments: args, _meta } };
    const answer = await pool.request({ path: upstream.pathname, method: 'POST', headers, body: JSON.stringify(call) });
    const { content, isError } = (await answer.body.json()).result;
    return { content, isError };
  },
);
await server.listen(place[0], { host: place[1] });
