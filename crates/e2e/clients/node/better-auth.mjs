// Better Auth with its OAuth provider, in memory, as the authorization server of an MCP server elsewhere: clients register
// themselves, sign in with an e-mail address and a password, and agree. The accounts are Alice and Bob.
// Usage: node better-auth.mjs SETTINGS, where SETTINGS is JSON: port, resource. Prints {"ready": issuer} once it listens.

import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { getAuthTables } from 'better-auth/db';
import { jwt } from 'better-auth/plugins';
import { oauthProvider, oauthProviderAuthServerMetadata } from '@better-auth/oauth-provider';
import { say } from './plan.mjs';

const settings = JSON.parse(process.argv[2]);
const origin = `http://127.0.0.1:${settings.port}`;
const password = randomBytes(16).toString('hex');
const tables = {};
const options = {
  baseURL: origin,
  secret: randomBytes(32).toString('hex'),
  database: memoryAdapter(tables),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [
    jwt(),
    oauthProvider({
      allowDynamicClientRegistration: true,
      allowUnauthenticatedClientRegistration: true,
      clientRegistrationDefaultResources: [settings.resource],
      consentPage: '/consent',
      customAccessTokenClaims: ({ user }) => ({ name: user.name, roles: [user.name.startsWith('Alice') ? 'admin' : 'reader'] }),
      loginPage: '/sign-in',
      resources: [settings.resource],
      scopes: ['openid', 'profile', 'email', 'offline_access', 'notes:read', 'notes:write'],
    }),
  ],
};
for (const [key, { modelName }] of Object.entries(getAuthTables(options))) tables[key] = tables[modelName] = [];
const auth = betterAuth(options);
const metadata = oauthProviderAuthServerMetadata(auth);
for (const name of ['Alice', 'Bob']) {
  await auth.api.signUpEmail({ body: { name: `${name} Example`, email: `${name.toLowerCase()}@example.com`, password } });
}

/** A page with one button for each answer; it keeps the signed query that Better Auth wants to have back. */
function page(url, answers) {
  const action = (url.pathname + url.search).replaceAll('&', '&amp;');
  const buttons = Object.entries(answers).map(([value, label]) => `<button name="answer" value="${value}">${label}</button>`);
  const html = `<!doctype html><title>Better Auth</title><form method="post" action="${action}">${buttons.join('')}</form>`;
  return new Response(html, { headers: { 'content-type': 'text/html' } });
}

/** Does what a page's script would: posts to Better Auth, and goes where it says. */
async function post(request, path, body) {
  const headers = { 'content-type': 'application/json', origin, cookie: request.headers.get('cookie') ?? '' };
  const answer = await auth.handler(new Request(origin + path, { method: 'POST', headers, body: JSON.stringify(body) }));
  const { url } = await answer.json();
  const onward = new Headers({ location: url });
  for (const cookie of answer.headers.getSetCookie()) onward.append('set-cookie', cookie);
  return new Response(null, { status: 303, headers: onward });
}

async function answer(request) {
  const url = new URL(request.url);
  const oauth_query = url.search.slice(1);
  const chosen = async () => new URLSearchParams(await request.text()).get('answer');
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /.well-known/oauth-authorization-server/api/auth':
      return metadata(request);
    case 'GET /sign-in':
      return page(url, { alice: 'Alice Example', bob: 'Bob Example' });
    case 'POST /sign-in':
      return post(request, '/api/auth/sign-in/email', { email: `${await chosen()}@example.com`, password, oauth_query });
    case 'GET /consent':
      return page(url, { yes: 'Allow' });
    case 'POST /consent':
      return post(request, '/api/auth/oauth2/consent', { accept: true, oauth_query });
    default:
      return auth.handler(request);
  }
}

createServer(async (incoming, outgoing) => {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method, headers } = incoming;
  const body = chunks.length ? Buffer.concat(chunks) : undefined;
  const said = await answer(new Request(new URL(incoming.url, origin), { method, headers, body })).catch(error => {
    console.error(error);
    return new Response(null, { status: 500 });
  });
  for (const [name, value] of said.headers) if (name !== 'set-cookie') outgoing.setHeader(name, value);
  outgoing.setHeader('set-cookie', said.headers.getSetCookie());
  outgoing.writeHead(said.status).end(Buffer.from(await said.arrayBuffer()));
}).listen(settings.port, '127.0.0.1', () => say({ ready: `${origin}/api/auth` }));
