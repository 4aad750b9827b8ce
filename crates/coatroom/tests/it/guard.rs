//! The guard, driven as a service: what a stranger, a user and a browser get, and what reaches the server behind it.

mod answers;
mod calls;
mod fixture;
mod limits;
mod lists;
mod origins;
mod remembered;
mod sessions;
mod tokens;
