//! Tests of the library from its public surface, in one binary.

#[cfg(test)]
mod guard;
