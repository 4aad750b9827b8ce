// The Inspector of the MCP project, as a command line: a process per step, which keeps its tokens in a folder.
// Usage: node inspector.mjs MCP_URL PLAN (see plan.mjs). "refresh" spoils the kept access token.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, keptFolder, runProgram, steps } from './program.mjs';

const [serverUrl] = process.argv.slice(2);
const kept = keptFolder('inspector');
const program = fileURLToPath(import.meta.resolve('@modelcontextprotocol/inspector/package.json')).replace(
  /package\.json$/,
  'clients/launcher/build/index.js',
);
const callback = `http://127.0.0.1:${await freePort()}/oauth/callback`;
const environment = {
  HOME: kept,
  PATH: '/nonexistent',
  // Without a terminal it would not ask a person; the link is read from what it prints.
  MCP_AUTO_OPEN_ENABLED: 'true',
  MCP_INSPECTOR_SECRET_STORE: 'file',
};

async function inspect(...method) {
  const options = ['--cli', serverUrl, '--format', 'json', '--protocol-era', 'auto', '--callback-url', callback];
  const { output } = await runProgram(process.execPath, [program, ...options, '--method', ...method], { environment });
  return JSON.parse(output).result;
}

const secretsFile = join(kept, '.mcp-inspector', 'secrets.json');

/** The kept tokens; with `change`, they are replaced by what it makes of them. */
function tokens(change) {
  const file = JSON.parse(readFileSync(secretsFile, 'utf8'));
  const name = Object.keys(file.secrets).find(name => name.includes(':tokens:'));
  const found = JSON.parse(file.secrets[name]);
  if (change) {
    file.secrets[name] = JSON.stringify(change(found));
    writeFileSync(secretsFile, JSON.stringify(file));
  }
  return found;
}

async function one(step) {
  if (step === 'list') return { tools: (await inspect('tools/list')).tools.map(tool => tool.name) };
  const given = ['--tool-name', step.call, '--tool-args-json', JSON.stringify(step.arguments ?? {})];
  const result = await inspect('tools/call', ...given);
  const text = result.content.map(part => part.text ?? '').join('');
  return { called: step.call, isError: Boolean(result.isError), text };
}

await steps({
  run: async row => {
    const said = [];
    for (const step of row) said.push(await one(step));
    return said;
  },
  spoil: () => tokens(kept => ({ ...kept, access_token: 'spoiled' })),
  tokens: () => {
    const { access_token, refresh_token } = tokens();
    return { access: access_token, refresh: refresh_token };
  },
});
