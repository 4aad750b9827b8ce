// Cloudflare's `workers-oauth-provider` in its own runtime, workerd, started by miniflare, with a local KV namespace. The worker is
// `worker.mjs`. The process of Node only starts workerd and waits.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Miniflare } from 'miniflare';
import { origin, settings } from './serve.mjs';

const read = url => readFileSync(fileURLToPath(url), 'utf8');
const miniflare = new Miniflare({
  host: '127.0.0.1',
  port: settings.port,
  modules: [
    { type: 'ESModule', path: 'worker.mjs', contents: read(new URL('worker.mjs', import.meta.url)) },
    { type: 'ESModule', path: 'oauth-provider.js', contents: read(import.meta.resolve('@cloudflare/workers-oauth-provider')) },
  ],
  bindings: { ORIGIN: origin, RESOURCE: settings.resource },
  compatibilityDate: '2026-07-01',
  kvNamespaces: ['OAUTH_KV'],
  kvPersist: settings.folder,
});
await miniflare.ready;
