// A server over HTTP+SSE on the official TypeScript SDK, 1.x line. Usage: node sse-server.mjs PORT
//
// Prints {"ready": url}, and {"arrived": {…}} for each request and each use of `drop`. `whoami` tells the credential of its call.

import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { say } from './plan.mjs';

const port = Number(process.argv[2]);
const sessions = new Map();

function server() {
  const mcp = new McpServer({ name: 'sse-server', version: '1.0.0' });
  const text = text => ({ content: [{ type: 'text', text }] });
  mcp.registerTool('whoami', {}, extra => text(extra.requestInfo.headers.authorization ?? 'nobody'));
  mcp.registerTool('drop', {}, () => {
    say({ arrived: { dropped: true } });
    return text('dropped');
  });
  return mcp;
}

createServer(async (request, response) => {
  say({ arrived: { method: request.method, url: request.url, headers: request.headers } });
  const url = new URL(request.url, `http://127.0.0.1:${port}`);
  if (request.method === 'GET' && url.pathname === '/sse') {
    const transport = new SSEServerTransport('/messages', response);
    sessions.set(transport.sessionId, transport);
    response.on('close', () => sessions.delete(transport.sessionId));
    await server().connect(transport);
    return;
  }
  const transport = sessions.get(url.searchParams.get('sessionId'));
  if (request.method === 'POST' && url.pathname === '/messages' && transport) {
    await transport.handlePostMessage(request, response);
  } else {
    response.writeHead(404).end();
  }
}).listen(port, '127.0.0.1', () => say({ ready: `http://127.0.0.1:${port}/sse` }));
