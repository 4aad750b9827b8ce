// The TypeScript SDK before an MCP server: `requireBearerAuth` with JWTs of ES256, verified by jose with a key that it has, and each call
// passed on as it is with the user's own credential. The SDK has no proxy of its own, so the body is neither parsed nor checked.
// For speed: NODE_ENV=production, and undici with connections that stay open.

import express from 'express';
import { importJWK, jwtVerify } from 'jose';
import { Pool } from 'undici';
import { getOAuthProtectedResourceMetadataUrl, mcpAuthMetadataRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { place, settings } from './serve.mjs';

const { audience, credentials, issuer, scope } = settings;
const resource = new URL(audience);
const upstream = new URL(settings.upstream);
const pool = new Pool(upstream.origin, { connections: 128 });
const key = await importJWK(settings.jwk, 'ES256');

const verifier = {
  async verifyAccessToken(token) {
    const { payload } = await jwtVerify(token, key, { algorithms: ['ES256'], audience, issuer }).catch(() => {
      throw new InvalidTokenError('the token is not good');
    });
    const { client_id: clientId, exp: expiresAt, scope, sub } = payload;
    return { token, clientId, scopes: scope.split(' '), expiresAt, resource, extra: { sub } };
  },
};

const app = express().disable('x-powered-by');
const elsewhere = { issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, response_types_supported: ['code'] };
app.use(mcpAuthMetadataRouter({ oauthMetadata: elsewhere, resourceServerUrl: resource, scopesSupported: [scope] }));
const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(resource);
app.post('/mcp', requireBearerAuth({ verifier, requiredScopes: [scope], resourceMetadataUrl, expectedResource: resource }), (request, response, next) => {
  const { host, connection, ...headers } = request.headers;
  headers.authorization = `Bearer ${credentials[request.auth.extra.sub]}`;
  const call = { path: upstream.pathname, method: 'POST', headers, body: request, opaque: response };
  pool.stream(call, ({ statusCode, headers, opaque }) => opaque.writeHead(statusCode, headers)).catch(next);
});
app.listen(...place);
