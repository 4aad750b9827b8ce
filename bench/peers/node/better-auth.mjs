// Better Auth with its OAuth provider, over SQLite by better-sqlite3. Who signs in is who the request hints at, made known at the first
// time; whoever has signed in once has a session and has agreed, and is asked nothing more.
// For speed: NODE_ENV=production; WAL and NORMAL for SQLite; the session is cached in its cookie, as its guide to performance advises;
// no rate limits, no telemetry, no log.

import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';
import { oauthProvider, oauthProviderAuthServerMetadata } from '@better-auth/oauth-provider';
import Database from 'better-sqlite3';
import { origin, place, settings } from './serve.mjs';

const database = new Database(`${settings.folder}/better-auth.db`);
database.pragma('journal_mode = WAL');
database.pragma('synchronous = NORMAL');

const auth = betterAuth({
  baseURL: origin,
  secret: randomBytes(32).toString('hex'),
  database,
  emailAndPassword: { enabled: true },
  logger: { disabled: true },
  rateLimit: { enabled: false },
  session: { cookieCache: { enabled: true, maxAge: 3600 } },
  telemetry: { enabled: false },
  plugins: [
    jwt(),
    oauthProvider({
      allowDynamicClientRegistration: true,
      allowUnauthenticatedClientRegistration: true,
      clientRegistrationDefaultResources: [settings.resource],
      consentPage: '/consent',
      loginPage: '/sign-in',
      resources: [settings.resource],
      scopes: ['openid', 'offline_access', 'notes:read'],
    }),
  ],
});
await (await getMigrations(auth.options)).runMigrations();

const password = randomBytes(16).toString('hex');
const metadata = oauthProviderAuthServerMetadata(auth);
const handler = toNodeHandler(auth);

/** Does what the script of a page would: posts to Better Auth, and goes where it says. */
async function post(incoming, outgoing, path, body) {
  const headers = { 'content-type': 'application/json', origin, cookie: incoming.headers.cookie ?? '' };
  const answer = await auth.handler(new Request(origin + path, { method: 'POST', headers, body: JSON.stringify(body) }));
  const { url } = await answer.json();
  outgoing.writeHead(303, { location: url, 'set-cookie': answer.headers.getSetCookie() }).end();
}

createServer(async (incoming, outgoing) => {
  const url = new URL(incoming.url, origin);
  const oauth_query = url.search.slice(1);
  switch (url.pathname) {
    case '/.well-known/oauth-authorization-server/api/auth': {
      const answer = await metadata(new Request(url));
      return outgoing.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
    }
    case '/sign-in': {
      const email = `${url.searchParams.get('login_hint')}@example.com`;
      await auth.api.signUpEmail({ body: { name: email, email, password } });
      return post(incoming, outgoing, '/api/auth/sign-in/email', { email, password, oauth_query });
    }
    case '/consent':
      return post(incoming, outgoing, '/api/auth/oauth2/consent', { accept: true, oauth_query });
    default:
      return handler(incoming, outgoing);
  }
}).listen(...place);
