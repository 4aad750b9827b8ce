//! Tests of the library from its public surface, in one binary.

// `cfg(test)` is always true here; it tells clippy that the helpers of tests are tests too.
#[cfg(test)]
mod guard;
#[cfg(test)]
#[cfg(unix)]
mod history;
#[cfg(test)]
mod issuers;
#[cfg(test)]
#[cfg(feature = "server")]
mod issuers_served;
#[cfg(test)]
#[cfg(feature = "server")]
mod languages;
#[cfg(test)]
#[cfg(feature = "server")]
mod pages;
#[cfg(test)]
#[cfg(unix)]
mod postgres;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod providers_entry;
#[cfg(test)]
mod providers_fake;
#[cfg(test)]
mod providers_known;
#[cfg(test)]
mod providers_named;
#[cfg(test)]
mod providers_openid;
#[cfg(test)]
#[cfg(unix)]
mod redis;
#[cfg(test)]
#[cfg(feature = "server")]
mod server;
#[cfg(test)]
mod signer;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
#[cfg(feature = "server")]
mod theme;
