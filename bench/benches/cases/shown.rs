//! What is shown on the pages that are rendered.

use coatroom::pages::{
    AskedScope, AskingClient, ClientProof, ConsentPage, ErrorPage, Language, McpServer, OfferedProvider,
    PageResponse, Pages, ReturnAddress, SignedIn, Theme, Trouble, UsedAccount,
};
use coatroom::protocol::words::{Issuer, ProviderName, Scope};

pub(crate) struct Shown {
    pages: Pages,
    /// As long as one is.
    flow: String,
    redirect: ReturnAddress,
    provider: ProviderName,
    scopes: [Scope; 2],
}

impl Shown {
    pub(crate) fn new() -> Self {
        let issuer = Issuer::parse("https://mcp.example.com").expect("an issuer");
        let scope = |name: &str| name.parse().expect("a scope");
        Self {
            pages: Pages::new(&issuer, &Theme::new()).expect("a theme"),
            flow: "a".repeat(1000),
            redirect: ReturnAddress::parse("http://127.0.0.1:49152/callback").expect("an address"),
            provider: ProviderName::parse("github").expect("a name"),
            scopes: [scope("notes:read"), scope("notes:write")],
        }
    }

    /// The page that asks somebody who is signed in.
    pub(crate) fn consent(&self) -> PageResponse {
        let title = ["Read your notes", "Write and delete notes"];
        let asked = |n: usize| AskedScope {
            scope: &self.scopes[n],
            title: title[n],
            description: Some("All notes of your workspace."),
            optional: n == 1,
            granted_before: n == 0,
        };
        let provider = OfferedProvider { here: false, name: &self.provider, title: "GitHub" };
        let page = ConsentPage {
            flow: &self.flow,
            client: AskingClient {
                name: Some("Example Desktop"),
                proof: ClientProof::Registered,
                logo: None,
            },
            redirect: &self.redirect,
            server: McpServer { name: "Notes", url: "https://mcp.example.com/mcp" },
            uses: &[UsedAccount { provider: "GitHub", permissions: &["repo", "read:org"] }],
            scopes: &[asked(0), asked(1)],
            providers: &[provider],
            signed_in: Some(SignedIn { person: "Ada Lovelace", provider }),
        };
        self.pages.consent(Language::English, &page)
    }

    pub(crate) fn error(&self) -> PageResponse {
        let page = ErrorPage::new(Trouble::Expired, "4f9c1c1d2a5e").with_way_back(&self.redirect);
        self.pages.error(Language::English, &page)
    }
}
