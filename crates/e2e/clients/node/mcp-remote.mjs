// mcp-remote, the bridge that stdio-only clients use: it runs as their child, opens a browser itself, and keeps its
// tokens in a folder. The plan's steps go to it over stdio; the address that it wants opened is read from its log.
// Usage: node mcp-remote.mjs MCP_URL PLAN (see plan.mjs). "refresh" spoils the kept access token and starts it anew.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { say } from './plan.mjs';

const [serverUrl, planText] = process.argv.slice(2);
const kept = mkdtempSync(join(tmpdir(), 'mcp-remote-'));
const program = fileURLToPath(import.meta.resolve('mcp-remote/dist/proxy.js'));

async function start() {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [program, serverUrl, '--transport', 'http-only'],
    // No browser here: the link is read from the log instead. The path has nothing but what mcp-remote needs.
    env: { HOME: kept, PATH: '/nonexistent', MCP_REMOTE_CONFIG_DIR: kept },
    stderr: 'pipe',
  });
  const log = [];
  transport.stderr.on('data', chunk => {
    for (const line of String(chunk).split('\n')) {
      log.push(line);
      const link = /^\s*(https?:\/\/\S*\/authorize\?\S+)/.exec(line);
      if (link) say({ authorize: link[1] });
    }
  });
  const client = new Client({ name: 'behind mcp-remote', version: '1.0.0' });
  try {
    await client.connect(transport, { timeout: 90_000 });
  } catch (error) {
    throw new Error(`${error.message}; its log:\n${log.join('\n')}`);
  }
  return client;
}

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry =>
    entry.isDirectory() ? files(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

function tokenFile() {
  const found = files(kept).find(file => file.endsWith('_tokens.json'));
  if (!found) throw new Error('mcp-remote kept no tokens');
  return found;
}

let client;
try {
  client = await start();
  for (const step of JSON.parse(planText)) {
    if (step === 'list') {
      const { tools } = await client.listTools();
      say({ tools: tools.map(tool => tool.name) });
    } else if (step === 'refresh') {
      await client.close();
      const before = JSON.parse(readFileSync(tokenFile(), 'utf8'));
      writeFileSync(tokenFile(), JSON.stringify({ ...before, access_token: 'spoiled' }));
      client = await start();
      const after = JSON.parse(readFileSync(tokenFile(), 'utf8'));
      say({ refreshed: after.access_token !== 'spoiled', rotated: before.refresh_token !== after.refresh_token });
    } else {
      const result = await client.callTool({ name: step.call, arguments: step.arguments ?? {} }, undefined, { timeout: 90_000 });
      say({ called: step.call, isError: Boolean(result.isError), text: result.content.map(part => part.text ?? '').join('') });
    }
  }
  const tokens = JSON.parse(readFileSync(tokenFile(), 'utf8'));
  say({ done: true, secrets: [tokens.access_token, tokens.refresh_token].filter(Boolean) });
} catch (error) {
  say({ error: `${error?.name}: ${error?.message}` });
  process.exitCode = 1;
} finally {
  await client?.close();
  rmSync(kept, { recursive: true, force: true });
}
