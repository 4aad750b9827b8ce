//! `coatroom`: a gateway that gives every user of an MCP server their own OAuth.

fn main() {}
