//! The page at `/`: what this site is, and which MCP servers stand behind it.

use askama::Template;
use http::StatusCode;

use super::language::{LandingWords, Language};
use super::{Frame, McpServer, PageResponse, Pages};

/// What the page at `/` shows. All of it is public.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct LandingPage<'a> {
    /// The MCP servers.
    pub servers: &'a [McpServer<'a>],
}

impl Pages {
    /// Answers with the page at `/`.
    #[must_use]
    pub fn landing(&self, language: Language, page: &LandingPage<'_>) -> PageResponse {
        let all = &self.words(language);
        let words = &all.landing;
        let title = self.look.name.as_deref().unwrap_or(words.title);
        let view = LandingView { words, frame: self.frame(all, title), page };
        self.answer(language, StatusCode::OK, &view)
    }
}

#[derive(Template)]
#[template(path = "landing.html")]
struct LandingView<'a> {
    words: &'a LandingWords<'a>,
    frame: Frame<'a>,
    page: &'a LandingPage<'a>,
}
