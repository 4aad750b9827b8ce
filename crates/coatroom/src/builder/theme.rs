//! How pages and mails look. A guard alone has none.

use coatroom_protocol::words::Issuer;

#[cfg(feature = "server")]
use super::Builder;
#[cfg(feature = "server")]
pub(super) use crate::pages::Pages;
#[cfg(feature = "server")]
use crate::pages::Theme;

#[cfg(not(feature = "server"))]
pub(super) type Pages = ();

/// What was said about how pages look.
#[derive(Debug, Default)]
pub(super) struct Appearance {
    #[cfg(feature = "server")]
    theme: Theme,
}

#[cfg(feature = "server")]
impl Builder {
    /// How all pages and mails look: name, logo, colours, texts, links, the frame, a stylesheet. Default: as they do by themselves.
    pub fn theme(mut self, theme: Theme) -> Self {
        self.appearance.theme = theme;
        self
    }
}

impl Appearance {
    #[cfg(feature = "server")]
    pub(super) fn pages(&self, issuer: &Issuer, problems: &mut Vec<String>) -> Option<Pages> {
        let note = |wrong: Vec<_>| problems.extend(wrong.iter().map(ToString::to_string));
        Pages::new(issuer, &self.theme).map_err(note).ok()
    }

    #[cfg(not(feature = "server"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "a guard alone shows no page")]
    pub(super) const fn pages(&self, _: &Issuer, _: &mut Vec<String>) -> Option<Pages> {
        Some(())
    }
}
