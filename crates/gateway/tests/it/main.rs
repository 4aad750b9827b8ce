//! Tests of the program's parts that take real processes.

// `cfg(test)` is always true here; it tells clippy that the helpers of tests are tests too.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod child;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod wrap;
