//! The MCP server of the conformance suite over stdio. The argument says which revisions it speaks: `all`, `legacy` or `modern`.

use coatroom_e2e::upstream::everything::{self, Revisions};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let revisions = match std::env::args().nth(1).as_deref() {
        None | Some("all") => Revisions::All,
        Some("legacy") => Revisions::Legacy,
        Some("modern") => Revisions::Modern,
        Some(other) => panic!("nobody speaks {other:?}"),
    };
    everything::serve_stdio(revisions).await;
}
