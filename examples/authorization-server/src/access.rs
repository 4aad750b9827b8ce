//! What people can agree to, and what each tool needs.

use coatroom::Protection;
use coatroom::protocol::access::{Manifest, Rule, Unlisted};
use coatroom::protocol::words::{ScopeCatalogue, ScopeEntry, Scopes};

/// See notes.
pub(crate) const READ: &str = "mcp:tools:read";
/// Write notes, and see them.
pub(crate) const EXECUTE: &str = "mcp:tools:execute";
/// See who the caller is.
pub(crate) const PROFILE: &str = "profile:read";

/// The MCP endpoint with its scopes and rules.
pub(crate) fn protection() -> anyhow::Result<Protection> {
    Ok(Protection::new("/mcp").with_name("Example Notes").with_scopes(scopes()?).with_manifest(manifest()?))
}

/// The scopes, in the words of the consent page.
fn scopes() -> anyhow::Result<ScopeCatalogue> {
    let scopes = [
        // A client that asks for nothing gets this one.
        (READ, ScopeEntry::new("See your notes").by_default()),
        (EXECUTE, ScopeEntry::new("Write notes for you, and see them").implying(READ.parse()?)),
        (PROFILE, ScopeEntry::new("See your name and e-mail address")),
    ];
    Ok(ScopeCatalogue::of(scopes)?)
}

/// What a call takes. A tool that nobody thought of here may not be called.
fn manifest() -> anyhow::Result<Manifest> {
    let tool = |pattern, scope: &str| anyhow::Ok(Rule::tool(pattern).with_scopes(scope.parse::<Scopes>()?));
    let rules = [tool("list_*", READ)?, tool("add_*", EXECUTE)?, tool("profile", PROFILE)?];
    Ok(Manifest::new(rules, Unlisted::Denied))
}
