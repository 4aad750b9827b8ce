//! `coatroom`: a gateway that gives every user of an MCP server their own OAuth.

#[cfg_attr(not(test), expect(dead_code, reason = "the command line does not offer the demo yet"))]
mod demo;

fn main() {}
