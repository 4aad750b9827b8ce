//! Reading everything, server by server.

use coatroom_protocol::words::Timestamp;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use redis::Value;

use super::layout::{RECORDS, kind_and_key};
use super::link::Link;
use super::trouble::Trouble;
use super::verbs;
use crate::store::Page;

/// `place` is which server, and where the server said to go on.
pub(super) async fn page(link: &Link, place: &str, now: Timestamp) -> Result<Page, Trouble> {
    let (node, cursor) = place.split_once('/').unwrap_or(("0", "0"));
    let node: usize = node.parse().unwrap_or(usize::MAX);
    let nodes = masters(link).await?;
    let Some((host, port)) = nodes.get(node) else {
        return Ok(Page { records: Vec::new(), next: None });
    };
    let mut scan = redis::cmd("SCAN");
    scan.arg(cursor).arg("MATCH").arg(format!("{RECORDS}*")).arg("COUNT").arg(PAGE_LENGTH);
    let (cursor, keys): (String, Vec<String>) = link.read(link.ask_node(&scan, host, *port).await?)?;
    let read = |key: String| async move {
        let (kind, key) = kind_and_key(&key).map_err(|kind| Trouble::UnknownKind { kind })?;
        verbs::get(link, kind, key.to_owned(), now).await
    };
    let records = stream::iter(keys).map(read).buffered(PAGE_LENGTH);
    let records = records.try_filter_map(|found| async move { Ok(found) }).try_collect().await?;
    let next = if cursor != "0" {
        Some(format!("{node}/{cursor}"))
    } else if node + 1 < nodes.len() {
        Some(format!("{}/0", node + 1))
    } else {
        None
    };
    Ok(Page { records, next })
}

/// The servers that have records, always in the same order.
async fn masters(link: &Link) -> Result<Vec<(String, u16)>, Trouble> {
    if !link.is_cluster() {
        return Ok(vec![(String::new(), 0)]);
    }
    // Each range of slots: first, last, the server that has them, its replicas. A server: address, port, more.
    let answer = link.ask(redis::cmd("CLUSTER").arg("SLOTS")).await?;
    let ranges: Vec<Vec<Value>> = link.read(answer)?;
    let mut masters = Vec::new();
    for range in ranges {
        let Some(master) = range.into_iter().nth(2) else { continue };
        let master: Vec<Value> = link.read(master)?;
        let mut master = master.into_iter();
        let (Some(host), Some(port)) = (master.next(), master.next()) else { continue };
        masters.push((link.read(host)?, link.read(port)?));
    }
    masters.sort();
    masters.dedup();
    Ok(masters)
}

const PAGE_LENGTH: usize = 200;
