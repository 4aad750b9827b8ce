//! Tests of the built program from outside. `scripts/test` builds it, installs the clients and runs these.

mod harness;
