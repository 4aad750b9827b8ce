// The certified OpenID provider `oidc-provider` on loopback, with the accounts alice and bob and no passwords: to sign in at, or
// as the authorization server of an MCP server elsewhere.
// Usage: node oidc-provider.mjs SETTINGS, where SETTINGS is JSON:
//   port
//   clients        those that are registered already, as RFC 7591 describes them
//   registers      whether clients register themselves
//   resource       the MCP server for which access tokens are JWTs; without it they are opaque
//   keys           [[name, algorithm], …]; the first signs
//   accessSeconds  how long access tokens live
//   thin           whether ID tokens leave out what the user endpoint tells
//   clientAuth     how clients may authenticate
//   accounts       {id: {…}}: claims that differ from the usual ones
// Prints {"ready": issuer} once it listens. Then each line that it reads is a command, and the answer is a line that counts the
// requests so far by path: {"keys": …} and {"accounts": …} start it anew with these, over the same records; {"down": true}
// answers 503 to everything.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { Provider, errors } from 'oidc-provider';
import { say } from './plan.mjs';

const settings = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${settings.port}`;
const names = { alice: 'Alice Example', bob: 'Bob Example' };
const scope = settings.resource ? 'notes:read notes:write' : '';
const cookieKey = randomBytes(32).toString('hex');
const made = {};

function key([kid, alg]) {
  const kinds = { RS256: ['rsa', { modulusLength: 2048 }], ES256: ['ec', { namedCurve: 'P-256' }], EdDSA: ['ed25519'] };
  const make = () => generateKeyPairSync(...(kinds[alg] ?? kinds.RS256)).privateKey.export({ format: 'jwk' });
  return { ...(made[kid] ??= make()), kid, alg, use: 'sig' };
}

function claims(id) {
  const usual = { name: names[id], email: `${id}@example.com`, email_verified: true };
  return { sub: id, ...usual, ...settings.accounts?.[id] };
}

/** Records of the process, so that a provider that takes the place of another goes on with them. */
class Records {
  static #kept = new Map();

  constructor(model) {
    this.model = model;
  }

  #key = id => `${this.model}:${id}`;
  #find = which => [...Records.#kept].find(([key, record]) => key.startsWith(this.#key('')) && which(record))?.[1];
  upsert = async (id, record) => void Records.#kept.set(this.#key(id), record);
  find = async id => Records.#kept.get(this.#key(id));
  findByUid = async uid => this.#find(record => record.uid === uid);
  consume = async id => void (Records.#kept.get(this.#key(id)).consumed = Math.floor(Date.now() / 1000));
  destroy = async id => void Records.#kept.delete(this.#key(id));
  revokeByGrantId = async grantId => {
    for (const [key, record] of Records.#kept) if (record.grantId === grantId) Records.#kept.delete(key);
  };
}

function provider() {
  const algorithm = settings.keys[0][1];
  const configuration = {
    adapter: Records,
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    clientDefaults: { id_token_signed_response_alg: algorithm },
    clients: settings.clients ?? [],
    conformIdTokenClaims: Boolean(settings.thin),
    cookies: { keys: [cookieKey] },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: Boolean(settings.registers) },
      resourceIndicators: {
        enabled: Boolean(settings.resource),
        getResourceServerInfo: async (_, resource) => {
          if (resource !== settings.resource) throw new errors.InvalidTarget();
          const accessTokenTTL = settings.accessSeconds;
          return { scope, audience: resource, accessTokenFormat: 'jwt', accessTokenTTL, jwt: { sign: { alg: algorithm } } };
        },
        useGrantedResource: async () => true,
      },
      revocation: { enabled: true },
    },
    findAccount: (_, id) => names[id] && { accountId: id, claims: () => claims(id) },
    interactions: { url: (_, interaction) => `/choose/${interaction.uid}` },
    // Providers differ in what makes them issue a refresh token. To sign in at, this one gives it to whoever asks for
    // offline_access.
    issueRefreshToken: async (_, client, code) =>
      client.grantTypeAllowed('refresh_token') && (Boolean(settings.resource) || code.scopes.has('offline_access')),
    jwks: { keys: settings.keys.map(key) },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    scopes: ['openid', 'offline_access', 'profile', 'email', ...scope.split(' ').filter(Boolean)],
    ttl: { AccessToken: settings.accessSeconds, Interaction: 600, Session: 3600, Grant: 3600, IdToken: 600 },
  };
  if (settings.clientAuth) configuration.clientAuthMethods = settings.clientAuth;
  if (settings.resource) {
    configuration.extraTokenClaims = async (_, { accountId }) => ({
      name: names[accountId],
      roles: [accountId === 'alice' ? 'admin' : 'reader'],
    });
  }
  const made = new Provider(issuer, configuration);
  made.use((context, next) => (context.path.startsWith('/choose/') ? choose(made, context) : next()));
  return made.callback();
}

/** The page on which a person chooses an account; whoever does so agrees to everything. */
async function choose(provider, context) {
  if (context.method === 'GET') {
    const buttons = Object.entries(names).map(([id, name]) => `<button name="account" value="${id}">${name}</button>`);
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
  if (settings.resource) grant.addResourceScope(settings.resource, params.scope);
  const result = { login: { accountId }, consent: { grantId: await grant.save() } };
  context.respond = false;
  await provider.interactionFinished(context.req, context.res, result, { mergeWithLastSubmission: false });
}

const asked = {};
let answer = provider();

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, issuer);
  asked[pathname] = (asked[pathname] ?? 0) + 1;
  if (settings.down) return response.writeHead(503).end();
  return answer(request, response);
});
server.listen(settings.port, '127.0.0.1', () => say({ ready: issuer }));

createInterface({ input: process.stdin }).on('line', line => {
  Object.assign(settings, JSON.parse(line));
  answer = provider();
  say({ asked });
});
