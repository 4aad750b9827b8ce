//! Tests of the built program from outside. `scripts/test` builds it, installs the clients and runs these.

mod accessibility;
mod afterwards;
mod apple;
mod authorize;
mod bad_input;
mod burdens;
mod client_documents;
mod codes;
mod conformance;
mod connect;
mod connections;
mod endpoints;
mod entry;
mod faults;
mod foreign;
mod guard;
mod harness;
mod introspection;
mod issuers;
mod journey;
mod keys;
mod kills;
mod library;
mod limits;
mod load;
mod local_accounts;
mod measured;
mod nginx;
mod old_clients;
mod openid;
mod outages;
mod pages;
mod processes;
mod refresh;
mod remote;
mod replicas;
mod restart;
mod revocation;
mod rotation;
mod secrets;
mod sse;
mod stdio;
mod stdio_servers;
mod step_up;
mod strangers;
mod takeover;
mod two_users;
mod upstreams;
mod wire;

/// Repositories of Alice, and of nobody else.
const ALICES: &[&str] = &["garden-planner", "seed-catalog", "greenhouse-sensors", "diary"];
/// Repositories of Bob, and of nobody else.
const BOBS: &[&str] = &["bike-workshop", "wheel-truing", "invoices", "race-team"];

/// Asserts that a list of repositories is whole, and is one person's only.
fn assert_repositories(text: &str, own: &[&str], strangers: &[&str]) {
    for name in own {
        assert!(text.contains(name), "{name} is missing in: {text}");
    }
    for name in strangers {
        assert!(!text.contains(name), "{name} is somebody else's, in: {text}");
    }
}
