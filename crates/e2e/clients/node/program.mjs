// What the scripts share that drive a whole program: a folder for what it keeps, running it, and the plan.

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { say } from './plan.mjs';

const kept = [];

/** A folder of its own, gone when the script ends. */
export function keptFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  kept.push(folder);
  return folder;
}

export function freePort() {
  return new Promise(done => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/**
 * Runs a program to its end. Whenever it prints a link to authorize, a person is asked for; `answer` is a pair of what it
 * may ask on its output and what it is told; `codes` are the exit codes of a success.
 */
export function runProgram(command, options, { environment, folder, answer, codes = [0] }) {
  return new Promise((done, failed) => {
    const child = spawn(command, options, { env: environment, cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] });
    let all = '';
    let output = '';
    const asked = new Set();
    const read = chunk => {
      all += chunk;
      for (const [link] of all.matchAll(/https?:\/\/\S*\/authorize\?\S+(?=\s)/g)) {
        if (!asked.has(link)) say({ authorize: link });
        asked.add(link);
      }
      if (answer && all.includes(answer[0])) {
        child.stdin.end(answer[1]);
        answer = undefined;
      }
    };
    child.stdout.setEncoding('utf8').on('data', chunk => {
      output += chunk;
      read(chunk);
    });
    child.stderr.setEncoding('utf8').on('data', read);
    if (!answer) child.stdin.end();
    child.on('error', failed);
    child.on('close', code => {
      if (codes.includes(code)) done({ output, all });
      else failed(new Error(`it ended with ${code}:\n${all.slice(-4000)}`));
    });
  });
}

/**
 * Runs the plan. `run` takes steps in a row ("list" or a call) and gives what each is to say; `spoil` makes the kept access
 * token useless, so that the steps after it can only work with a fresh one; `tokens` gives those that are kept.
 */
export async function steps(program) {
  try {
    const rows = [[]];
    for (const step of JSON.parse(process.argv[3])) {
      if (step === 'refresh') rows.push([]);
      else rows.at(-1).push(step);
    }
    for (const [index, row] of rows.entries()) {
      const before = index && (await program.tokens());
      if (index) await program.spoil();
      const said = await program.run(row);
      if (index) {
        const after = await program.tokens();
        const refreshed = before.access !== after.access && after.access.startsWith('coat_at_');
        say({ refreshed, rotated: before.refresh !== after.refresh });
      }
      said.forEach(say);
    }
    const { access, refresh } = await program.tokens();
    say({ done: true, secrets: [access, refresh] });
  } catch (error) {
    say({ error: `${error?.name}: ${error?.message}` });
    process.exitCode = 1;
  } finally {
    for (const folder of kept) rmSync(folder, { recursive: true, force: true });
  }
}
