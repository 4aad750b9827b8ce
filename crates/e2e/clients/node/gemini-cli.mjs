// Gemini CLI, which has an OAuth client of its own. It works for a model, so a small one answers it here, on loopback: it
// calls the tools of the plan one after the other.
// Usage: node gemini-cli.mjs MCP_URL PLAN (see plan.mjs). "refresh" lets the kept access token expire.

import { createServer } from 'node:http';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keptFolder, runProgram, steps } from './program.mjs';

const [serverUrl] = process.argv.slice(2);
const kept = keptFolder('gemini-cli');
const program = fileURLToPath(import.meta.resolve('@google/gemini-cli/package.json')).replace(
  /package\.json$/,
  'bundle/gemini.js',
);

/** What the names of the server's tools begin with here. */
const ours = 'mcp_demo_';

/** What the model is to call, and what it has seen. */
const turn = { calls: [], tools: [], results: [] };
const model = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const asked = JSON.parse(body || '{}');
  // It asks its model other things too, without our tools.
  const tools = (asked.tools ?? []).flatMap(tool => tool.functionDeclarations ?? []).map(tool => tool.name);
  const isOurs = tools.some(name => name.startsWith(ours));
  if (isOurs) turn.tools = tools;
  const answer = asked.contents?.at(-1)?.parts?.find(part => part.functionResponse);
  if (isOurs && answer) turn.results.push(answer.functionResponse.response);
  const call = isOurs && turn.calls[turn.results.length];
  const parts = [call ? { functionCall: call } : { text: 'Done.' }];
  const candidates = [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0 }];
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(`data: ${JSON.stringify({ candidates })}\n\n`);
});
await new Promise(ready => model.listen(0, '127.0.0.1', ready));

const environment = {
  HOME: kept,
  PATH: '/nonexistent',
  GEMINI_CLI_NO_RELAUNCH: 'true',
  GEMINI_API_KEY: 'none',
  GOOGLE_GEMINI_BASE_URL: `http://127.0.0.1:${model.address().port}`,
};
mkdirSync(join(kept, '.gemini'));
writeFileSync(
  join(kept, '.gemini', 'settings.json'),
  JSON.stringify({
    mcpServers: { demo: { httpUrl: serverUrl } },
    security: { auth: { selectedType: 'gemini-api-key' }, folderTrust: { enabled: false } },
    general: { enableAutoUpdate: false, enableAutoUpdateNotification: false },
    privacy: { usageStatisticsEnabled: false },
    telemetry: { enabled: false },
  }),
);

const folder = join(kept, 'project');
mkdirSync(folder);

function gemini(prompt, more) {
  const options = [program, '--yolo', '--model', 'gemini-2.5-flash', '--prompt', prompt];
  return runProgram(process.execPath, options, { environment, folder, ...more });
}

const tokenFile = join(kept, '.gemini', 'mcp-oauth-tokens.json');

/** The kept credentials; with `change`, they are replaced by what it makes of them. */
function credentials(change) {
  const [found] = JSON.parse(readFileSync(tokenFile, 'utf8'));
  if (change) writeFileSync(tokenFile, JSON.stringify([change(found)]));
  return found;
}

// It ends with 42 where a command has more to show than it can without a terminal, after it has done its work.
let signIn = () => gemini('/mcp auth demo', { answer: ['[Y/n]', 'Y\n'], codes: [42] });

await steps({
  run: async row => {
    await signIn?.();
    signIn = undefined;
    const calls = row.filter(step => step !== 'list');
    turn.calls = calls.map(step => ({ name: ours + step.call, args: step.arguments ?? {} }));
    Object.assign(turn, { tools: [], results: [] });
    const { all } = await gemini('Go on.');
    if (!turn.tools.length) throw new Error(`its model was offered none of the tools:\n${all}`);
    const tools = turn.tools.filter(name => name.startsWith(ours)).map(name => name.slice(ours.length));
    return row.map(step => {
      if (step === 'list') return { tools };
      const result = turn.results[calls.indexOf(step)];
      return { called: step.call, isError: Boolean(result?.error), text: String(result?.output ?? result?.error) };
    });
  },
  spoil: () => credentials(kept => ({ ...kept, token: { ...kept.token, expiresAt: 1 } })),
  tokens: () => {
    const { accessToken, refreshToken } = credentials().token;
    return { access: accessToken, refresh: refreshToken };
  },
});
model.close();
