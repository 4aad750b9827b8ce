//! `coatroom`: a gateway that gives every user of an MCP server their own OAuth.

#[expect(dead_code, unused_imports, reason = "the command line does not offer the demo yet")]
mod demo;

fn main() {}
