//! Fuzz targets: what must hold for every input, stated against something else that reads the same input.
//!
//! A target is an ordinary function. It panics when a promise is broken, and says whether the input was accepted, so that
//! the corpus can say what it expects. Two engines run it:
//!
//! - the tests of this crate replay the corpus in `corpus/` and a fixed number of mutations of it, the same ones in each run;
//! - `cargo fuzz` gives it to libFuzzer, which looks for inputs that reach new code.
//!
//! A seed whose name begins with `good-` must be accepted, one with `bad-` refused; others may be either. What a fuzzer finds
//! goes into the corpus under a name that says what it is.

pub mod assertion;
pub mod claims;
pub mod document;
pub mod engine;
pub mod jsonrpc;
pub mod manifest;
pub mod params;
pub mod redirect_uri;
pub mod registration;
pub mod sealed_flow;
mod tree;
