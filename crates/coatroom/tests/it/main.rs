//! Tests of the library from its public surface, in one binary.

// Each module is marked as test code so that the lints which tests are excused from excuse their helpers too.
#[cfg(test)]
mod guard;
#[cfg(all(test, feature = "server"))]
mod pages;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod providers_fake;
#[cfg(test)]
mod providers_openid;
