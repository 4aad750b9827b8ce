// The certified OpenID provider `oidc-provider` as the authorization server of an MCP server elsewhere: clients register
// themselves, and access tokens are JWTs for the resource that they name. The accounts are alice and bob, without passwords.
// Usage: node remote-issuer.mjs SETTINGS, where SETTINGS is JSON: port, resource. Prints {"ready": issuer} once it listens.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { Provider, errors } from 'oidc-provider';
import { say } from './plan.mjs';

const settings = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${settings.port}`;
const accounts = { alice: 'Alice Example', bob: 'Bob Example' };
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const scope = 'notes:read notes:write';

const provider = new Provider(issuer, {
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  extraTokenClaims: async (_, token) => ({ name: accounts[token.accountId], roles: [token.accountId === 'alice' ? 'admin' : 'reader'] }),
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: async (_, resource) => {
        if (resource !== settings.resource) throw new errors.InvalidTarget();
        return { scope, audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: 'RS256' } } };
      },
      useGrantedResource: async () => true,
    },
  },
  findAccount: (_, id) => accounts[id] && { accountId: id, claims: () => ({ sub: id, name: accounts[id] }) },
  interactions: { url: (_, interaction) => `/choose/${interaction.uid}` },
  issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
  jwks: { keys: [{ ...key, kid: 'one', alg: 'RS256', use: 'sig' }] },
  pkce: { required: () => true },
  scopes: ['openid', 'offline_access', 'profile', 'email', ...scope.split(' ')],
});

provider.use(async (context, next) => {
  if (!context.path.startsWith('/choose/')) return next();
  if (context.method === 'GET') {
    const buttons = Object.entries(accounts).map(([id, name]) => `<button name="account" value="${id}">${name}</button>`);
    context.type = 'text/html';
    context.body = `<!doctype html><title>Sign in</title><form method="post" action="${context.path}">${buttons.join('')}</form>`;
    return;
  }
  let body = '';
  for await (const chunk of context.req) body += chunk;
  const accountId = new URLSearchParams(body).get('account');
  const { params } = await provider.interactionDetails(context.req, context.res);
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  grant.addResourceScope(settings.resource, params.scope);
  const result = { login: { accountId }, consent: { grantId: await grant.save() } };
  context.respond = false;
  await provider.interactionFinished(context.req, context.res, result, { mergeWithLastSubmission: false });
});

provider.listen(settings.port, '127.0.0.1', () => say({ ready: issuer }));
