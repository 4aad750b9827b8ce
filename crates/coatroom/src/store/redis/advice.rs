//! Settings of the server under which it may lose what it answered. They are the operator's, so they are warned about.

use super::link::Link;

/// Looks at one server, at start. One that tells nothing is trusted.
pub(super) async fn give(link: &Link) {
    let Ok(answer) = link.ask(&redis::cmd("INFO")).await else { return };
    let Ok(info) = link.read::<String>(answer) else { return };
    for warning in warnings(&info) {
        tracing::warn!(store = %link.shown(), "{warning}");
    }
}

fn warnings(info: &str) -> Vec<&'static str> {
    let value = |name: &str| {
        let pairs = info.lines().filter_map(|line| line.trim_end().split_once(':'));
        pairs.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    };
    let mut warnings = Vec::new();
    if value("aof_enabled") == Some("0") {
        warnings.push(
            "the server keeps no log (appendonly no): what it answered is gone when it stops; set appendonly yes and appendfsync always",
        );
    }
    let evicts = value("maxmemory_policy").is_some_and(|policy| policy != "noeviction");
    if evicts && value("maxmemory") != Some("0") {
        warnings.push(
            "the server drops records when its memory is full (maxmemory-policy): set noeviction, so that it refuses writes instead",
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_may_lose_what_it_answered_is_warned_about() {
        let info = |aof, memory, policy| {
            format!("# Memory\r\nmaxmemory:{memory}\r\nmaxmemory_policy:{policy}\r\naof_enabled:{aof}\r\n")
        };
        assert!(warnings(&info(1, 0, "allkeys-lru")).is_empty());
        assert!(warnings(&info(1, 100, "noeviction")).is_empty());
        assert!(warnings("nothing is told").is_empty());
        assert_eq!(warnings(&info(0, 0, "noeviction")).len(), 1);
        assert_eq!(warnings(&info(0, 100, "volatile-ttl")).len(), 2);
    }
}
