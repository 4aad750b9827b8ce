// The certified OpenID provider `oidc-provider` on loopback, with the accounts alice and bob and no passwords.
// Usage: node oidc-provider.mjs SETTINGS, where SETTINGS is JSON: port, clientId, clientSecret, redirectUri,
// accessSeconds. Prints {"ready": issuer} once it listens.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { Provider } from 'oidc-provider';
import { say } from './plan.mjs';

const settings = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${settings.port}`;
const accounts = { alice: 'Alice Example', bob: 'Bob Example' };
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: settings.clientId,
      client_secret: settings.clientSecret,
      redirect_uris: [settings.redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
  ],
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
  findAccount: (_, id) =>
    accounts[id] && {
      accountId: id,
      claims: () => ({ sub: id, name: accounts[id], email: `${id}@example.com`, email_verified: true }),
    },
  interactions: { url: (_, interaction) => `/choose/${interaction.uid}` },
  // Providers differ in what makes them issue a refresh token; this one gives it to whoever asks for offline_access.
  issueRefreshToken: async (_, client, code) =>
    client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  jwks: { keys: [{ ...key, kid: 'one', alg: 'RS256', use: 'sig' }] },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  ttl: { AccessToken: settings.accessSeconds, Interaction: 600, Session: 3600, Grant: 3600, IdToken: 600 },
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
  const details = await provider.interactionDetails(context.req, context.res);
  const grant = new provider.Grant({ accountId, clientId: details.params.client_id });
  grant.addOIDCScope(details.params.scope);
  const result = { login: { accountId }, consent: { grantId: await grant.save() } };
  context.respond = false;
  await provider.interactionFinished(context.req, context.res, result, { mergeWithLastSubmission: false });
});

provider.listen(settings.port, '127.0.0.1', () => say({ ready: issuer }));
