//! The guard, driven as a service: what a stranger, a user and a browser get, and what reaches the server behind it.

mod calls;
mod fixture;
mod limits;
mod origins;
mod remembered;
mod sessions;
mod tokens;
