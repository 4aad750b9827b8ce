//! What can be read off the workspace itself: which rooms use which, and whether the documents tell the truth.
//!
//! These tests read files and need nothing of the crate that they stand in; they are here because it builds fastest.

#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod requirements;
#[cfg(test)]
mod rooms;
#[cfg(test)]
mod workspace;
