//! Tests of the library from its public surface, in one binary.

#[cfg(test)]
mod providers;
#[cfg(test)]
mod providers_fake;
#[cfg(test)]
mod providers_openid;
