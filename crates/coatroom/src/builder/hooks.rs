//! What an embedding program does at sign-ins, and what it is told.

use std::sync::Arc;

use super::Builder;
use crate::hooks::{HookLine, Hooks};

impl Builder {
    /// What is asked at sign-ins, and told of grants, tokens and connections. Default: nothing.
    pub fn hooks(mut self, hooks: impl Hooks) -> Self {
        self.hooks = HookLine::new(Arc::new(hooks));
        self
    }
}
