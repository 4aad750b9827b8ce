// What the scripts of both TypeScript SDKs share: a callback listener, a provider that remembers in memory, and the
// interpreter of a plan.
//
// A plan is a JSON array: "list", "refresh", {"call": tool, "arguments": {…}}, or {"refused": tool} for a call that must fail.
// Each step prints one JSON line. It may begin
// with {"registered": {"client_id", "port"}}: a client that is registered already, for a listener on that port.
// Whenever the SDK wants a person, {"authorize": url} is printed and the listener waits for the browser.

import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';

export const say = line => process.stdout.write(JSON.stringify(line) + '\n');

/** Listens on a loopback port, a free one by default, and hands out each callback's query once. */
export async function callbackListener(port = 0) {
  const waiting = [];
  const arrived = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://127.0.0.1');
    if (url.pathname !== '/callback') return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end('<!doctype html><title>Client</title><p>The client has its answer.</p>');
    const next = waiting.shift();
    if (next) next(url.searchParams);
    else arrived.push(url.searchParams);
  });
  await new Promise(ready => server.listen(port, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${server.address().port}/callback`,
    next: () => new Promise(done => (arrived.length ? done(arrived.shift()) : waiting.push(done))),
    close: () => server.close(),
  };
}

/** The smallest honest OAuthClientProvider: everything in memory, the state checked. */
export class Provider {
  #kept = {};

  constructor(redirectUrl, name) {
    this.redirectUrl = redirectUrl;
    this.clientMetadata = {
      client_name: name,
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  state = () => (this.#kept.state = randomBytes(16).toString('hex'));
  expectedState = () => this.#kept.state;
  clientInformation = () => this.#kept.client;
  saveClientInformation = client => void (this.#kept.client = client);
  tokens = () => this.#kept.tokens;
  saveTokens = tokens => void (this.#kept.tokens = tokens);
  saveCodeVerifier = verifier => void (this.#kept.verifier = verifier);
  codeVerifier = () => this.#kept.verifier;
  saveDiscoveryState = discovery => void (this.#kept.discovery = discovery);
  discoveryState = () => this.#kept.discovery;
  redirectToAuthorization = url => say({ authorize: String(url) });
}

/**
 * Runs a plan with one SDK.
 * `sdk` gives `connect(provider)` → client with `transport`, `finish(transport, params)`, `refresh(provider)` and
 * `isUnauthorized(error)`.
 */
export async function run(sdk) {
  const [serverUrl, planText] = process.argv.slice(2);
  const plan = JSON.parse(planText);
  const registered = plan[0]?.registered && plan.shift().registered;
  const listener = await callbackListener(registered?.port);
  const provider = new Provider(listener.url, sdk.name);
  if (registered) provider.saveClientInformation({ client_id: registered.client_id });

  const withPerson = async step => {
    for (let visits = 0; ; visits += 1) {
      const transport = sdk.transport(new URL(serverUrl), provider);
      try {
        const client = await sdk.connect(transport);
        const result = await step(client);
        await client.close();
        return result;
      } catch (error) {
        if (!sdk.isUnauthorized(error) || visits === 2) throw error;
        const answer = await listener.next();
        if (answer.get('state') !== provider.expectedState()) throw new Error('the callback carries another state');
        if (answer.get('error')) throw new Error(`refused: ${answer.get('error')}`);
        await sdk.finish(transport, answer);
      }
    }
  };

  try {
    for (const step of plan) {
      if (step === 'list') {
        const { tools } = await withPerson(client => client.listTools());
        say({ tools: tools.map(tool => tool.name) });
      } else if (step === 'refresh') {
        const before = provider.tokens();
        await sdk.refresh(provider, new URL(serverUrl));
        const after = provider.tokens();
        say({ refreshed: before.access_token !== after.access_token, rotated: before.refresh_token !== after.refresh_token });
      } else if (step.refused) {
        const failing = client => client.callTool({ name: step.refused }).then(
          () => undefined,
          error => {
            if (sdk.isUnauthorized(error)) throw error;
            return error.message;
          },
        );
        say({ refused: step.refused, why: await withPerson(failing) });
      } else {
        const result = await withPerson(client => client.callTool({ name: step.call, arguments: step.arguments ?? {} }));
        say({ called: step.call, isError: Boolean(result.isError), text: result.content.map(part => part.text ?? '').join('') });
      }
    }
    const tokens = provider.tokens();
    say({ done: true, secrets: [tokens.access_token, tokens.refresh_token].filter(Boolean) });
  } catch (error) {
    say({ error: `${error?.name}: ${error?.message}`, cause: error?.cause ? String(error.cause) : undefined });
    process.exitCode = 1;
  } finally {
    listener.close();
    setTimeout(() => process.exit(), 200).unref();
  }
}
