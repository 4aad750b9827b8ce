//! What the demo says when it starts: where it is, how to connect each client, and how to see that it keeps its promise.

use std::path::Path;

use coatroom::protocol::words::Issuer;

use super::MCP_PATH;

/// The words of greeting, ready to print; every command in them can be pasted as it stands.
///
/// The proof of isolation runs MCP Inspector's command line twice. Its two folders, and its secrets in files instead of
/// the keychain, make the two runs as strange to each other as two people's machines.
pub(crate) fn welcome(public_url: &Issuer, data: &Path) -> String {
    let url = public_url.url(MCP_PATH);
    let data = data.display();
    let proof = |user: &str| {
        format!(
            "MCP_STORAGE_DIR=~/.coatroom-demo/{user} MCP_INSPECTOR_SECRET_STORE=file \
             npx -y @modelcontextprotocol/inspector@latest --cli {url} --method tools/call --tool-name get-my-repos -q"
        )
    };
    let (alice, bob) = (proof("alice"), proof("bob"));
    format!(
        r#"The Coatroom demo is running.

  MCP URL   {url}
  Users     Alice and Bob, without passwords
  Data      {data} (delete it to start afresh)

Connect a client:

  Claude Code    claude mcp add --transport http coatroom-demo {url}
                 claude mcp login coatroom-demo
  VS Code        code --add-mcp '{{"name":"coatroom-demo","type":"http","url":"{url}"}}'
  Cursor         put this into ~/.cursor/mcp.json:
                 {{"mcpServers":{{"coatroom-demo":{{"url":"{url}"}}}}}}
  Codex          codex mcp add coatroom-demo --url {url}
                 (signs in at once; older ones by: codex mcp login coatroom-demo)
  Gemini CLI     gemini mcp add --transport http coatroom-demo {url}
                 then, inside Gemini CLI: /mcp auth coatroom-demo
  MCP Inspector  npx -y @modelcontextprotocol/inspector@latest --transport http --server-url {url}

See the isolation, in two terminals (Node.js 22.19 or newer):

  1. Run this, and sign in as Alice in the browser that opens:

{alice}

  2. Run this in the other terminal, and sign in as Bob there ("Use the other account"):

{bob}

  Then run both again, as often as you like: nobody signs in, and each lists the repositories of its own user only.
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_gets_a_command_with_the_whole_url() {
        let text = welcome(&Issuer::parse("http://localhost:8787").unwrap(), Path::new("/tmp/d"));
        let url = "http://localhost:8787/mcp";
        for command in [
            format!("claude mcp add --transport http coatroom-demo {url}\n"),
            format!("codex mcp add coatroom-demo --url {url}\n"),
            format!("gemini mcp add --transport http coatroom-demo {url}\n"),
            format!("--server-url {url}\n"),
            "Data      /tmp/d (".to_owned(),
        ] {
            assert!(text.contains(&command), "{command}");
        }
        assert_eq!(text.matches("--tool-name get-my-repos -q\n").count(), 2);
    }

    #[test]
    fn what_is_pasted_as_json_is_json() {
        let text = welcome(&Issuer::parse("http://localhost:8787").unwrap(), Path::new("d"));
        let objects = text.lines().filter_map(|line| Some((line.find('{')?, line.rfind('}')?, line)));
        let objects: Vec<serde_json::Value> =
            objects.map(|(from, to, line)| serde_json::from_str(&line[from..=to]).unwrap()).collect();
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[1]["mcpServers"]["coatroom-demo"]["url"], "http://localhost:8787/mcp");
    }
}
