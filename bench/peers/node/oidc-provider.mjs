// The certified OpenID provider `oidc-provider`, with the store in memory that comes with it. Tokens are opaque and no ID token is asked for,
// so that it signs nothing. Who signs in is who the request hints at; whoever has signed in once has a session, and is asked nothing more.
// For speed: NODE_ENV=production.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { Provider } from 'oidc-provider';
import { origin, place } from './serve.mjs';

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const scope = 'notes:read';

const provider = new Provider(origin, {
  cookies: { keys: [randomBytes(32).toString('hex')] },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: async (_, resource) => ({ scope, audience: resource, accessTokenFormat: 'opaque' }),
      useGrantedResource: async () => true,
    },
  },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/sign-in/${interaction.uid}` },
  issueRefreshToken: async () => true,
  jwks: { keys: [{ ...key, alg: 'ES256', use: 'sig', kid: 'bench' }] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access', scope],
  ttl: { AccessToken: 3600, Grant: 86400, Interaction: 600, RefreshToken: 86400, Session: 86400 },
});

provider.use(async (context, next) => {
  if (!context.path.startsWith('/sign-in/')) return next();
  const { params } = await provider.interactionDetails(context.req, context.res);
  const grant = new provider.Grant({ accountId: params.login_hint, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  grant.addResourceScope(params.resource, params.scope);
  const result = { login: { accountId: params.login_hint }, consent: { grantId: await grant.save() } };
  context.respond = false;
  await provider.interactionFinished(context.req, context.res, result, { mergeWithLastSubmission: false });
});

createServer(provider.callback()).listen(...place);
