// Calls the MCP endpoint of this origin. The browser adds the session cookie, which no script can read.
"use strict";

const byId = (id) => document.getElementById(id);

/** Calls a tool and returns its structured result. Throws an Error with words for people. */
async function call(name, args) {
  const protocolVersion = "2026-07-28";
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": protocolVersion,
    "io.modelcontextprotocol/clientInfo": { name: "github-tools-page", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const params = { name, arguments: args, _meta };
  const answer = await fetch("/mcp", {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
      "MCP-Protocol-Version": protocolVersion,
      "Mcp-Method": "tools/call",
      "Mcp-Name": name,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
  });
  if (answer.status === 401) {
    location.replace("/");
    throw new Error("You are signed out.");
  }
  if (answer.status === 403) throw new Error("You did not allow this. Sign out, sign in again, and allow it.");
  const message = await answer.json().catch(() => ({}));
  const result = message.result;
  if (!result) throw new Error(message.error?.message ?? `The server answered ${answer.status}. Please try again.`);
  if (result.isError) throw new Error(result.content.map((part) => part.text).join(" "));
  return result.structuredContent;
}

/** A link, if the address is one of the web. */
function link(text, url) {
  const isWeb = /^https?:\/\//.test(url);
  return Object.assign(document.createElement(isWeb ? "a" : "span"), isWeb ? { href: url, textContent: text } : { textContent: text });
}

async function showRepositories() {
  const { user, repositories } = await call("get-my-repos", {});
  byId("who").textContent = `Signed in as ${user}`;
  byId("repos").replaceChildren(
    ...repositories.map((repo) => {
      const item = document.createElement("li");
      const tag = Object.assign(document.createElement("small"), { textContent: repo.private ? "private" : "public" });
      const about = Object.assign(document.createElement("p"), { textContent: repo.description });
      item.append(link(repo.full_name, repo.url), tag, about);
      return item;
    }),
  );
  byId("repo").replaceChildren(...repositories.map((repo) => new Option(repo.full_name)));
}

byId("issue").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const { issue, url } = await call("create-issue", Object.fromEntries(new FormData(form)));
    byId("said").replaceChildren("Opened ", link(issue, url));
    form.title.value = form.body.value = "";
  } catch (error) {
    byId("said").textContent = error.message;
  }
  button.disabled = false;
});

showRepositories().catch((error) => {
  byId("repos").replaceChildren(Object.assign(document.createElement("li"), { textContent: error.message }));
});
