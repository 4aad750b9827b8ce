//! HTTP to the outside.
