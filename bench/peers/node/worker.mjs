// The worker of `workers-oauth-provider.mjs`. Who signs in is who the request hints at, and nobody is asked anything.

import { OAuthAuthorizationServer } from './oauth-provider.js';

let server;

async function authorize(request, env) {
  const oauth = server.getOAuthApi(env);
  const asked = await oauth.parseAuthRequest(request);
  const userId = new URL(request.url).searchParams.get('login_hint');
  const { redirectTo } = await oauth.completeAuthorization({
    request: asked,
    userId,
    metadata: {},
    scope: asked.scope,
    props: { userId },
  });
  return Response.redirect(redirectTo, 302);
}

export default {
  fetch(request, env, context) {
    server ??= new OAuthAuthorizationServer({
      issuer: env.ORIGIN,
      resources: [env.RESOURCE],
      scopesSupported: ['notes:read', 'offline_access'],
      clientRegistrationEndpoint: '/oauth/register',
    });
    if (new URL(request.url).pathname === '/authorize') return authorize(request, env);
    return server.fetch(request, env, context);
  },
};
