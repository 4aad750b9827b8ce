// The TypeScript SDK as an authorization server: `mcpAuthRouter` with everything in maps. The SDK checks the client, the request and
// PKCE; what a provider of one's own has to do is the class below, after the demo that comes with the SDK. Nobody is asked anything.
// For speed: NODE_ENV=production, no rate limits.

import { randomBytes } from 'node:crypto';
import express from 'express';
import { mcpAuthRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { InvalidGrantError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { origin, place } from './serve.mjs';

const random = () => randomBytes(32).toString('base64url');
const inSeconds = seconds => Math.floor(Date.now() / 1000) + seconds;

class Provider {
  #clients = new Map();
  #codes = new Map();
  #access = new Map();
  #refresh = new Map();

  clientsStore = {
    getClient: id => this.#clients.get(id),
    registerClient: client => {
      this.#clients.set(client.client_id, client);
      return client;
    },
  };

  async authorize(client, params, response) {
    const code = random();
    this.#codes.set(code, { client: client.client_id, params });
    const target = new URL(params.redirectUri);
    target.searchParams.set('code', code);
    if (params.state !== undefined) target.searchParams.set('state', params.state);
    response.redirect(target.href);
  }

  async challengeForAuthorizationCode(client, code) {
    return this.#code(client, code).params.codeChallenge;
  }

  async exchangeAuthorizationCode(client, code) {
    const { params } = this.#code(client, code);
    this.#codes.delete(code);
    return this.#issue(client.client_id, params.scopes ?? [], params.resource);
  }

  async exchangeRefreshToken(client, token) {
    const kept = this.#refresh.get(token);
    if (kept?.client !== client.client_id) throw new InvalidGrantError('unknown refresh token');
    this.#refresh.delete(token);
    this.#access.delete(kept.access);
    return this.#issue(kept.client, kept.scopes, kept.resource);
  }

  async verifyAccessToken(token) {
    return this.#access.get(token);
  }

  #code(client, code) {
    const kept = this.#codes.get(code);
    if (kept?.client !== client.client_id) throw new InvalidGrantError('unknown code');
    return kept;
  }

  #issue(client, scopes, resource) {
    const [access, refresh] = [random(), random()];
    this.#access.set(access, { token: access, clientId: client, scopes, resource, expiresAt: inSeconds(3600) });
    this.#refresh.set(refresh, { access, client, scopes, resource });
    return { access_token: access, token_type: 'bearer', expires_in: 3600, scope: scopes.join(' '), refresh_token: refresh };
  }
}

const app = express();
const options = { rateLimit: false };
app.use(
  mcpAuthRouter({
    provider: new Provider(),
    issuerUrl: new URL(origin),
    scopesSupported: ['notes:read'],
    authorizationOptions: options,
    clientRegistrationOptions: options,
    tokenOptions: options,
  }),
);
app.listen(...place);
