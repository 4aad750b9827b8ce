//! What a person sees, rendered from the public surface: SPEC CON-01 to CON-04, CON-07, CON-11, CON-13, AZ-35 to
//! AZ-37, OPS-05.

use std::collections::BTreeSet;
use std::time::Duration;

use coatroom::pages::{
    AccountNote, AccountPage, AskedScope, AskingClient, Asset, ClientProof, ConnectEnd, ConnectEndPage,
    ConnectPage, ConnectSignInPage, ConnectedApp, ConsentPage, Deed, EnterPage, EnterProblem, ErrorPage,
    HandOverPage, LandingPage, Language, MailedPage, MailedProblem, McpServer, NewPasswordPage,
    OfferedProvider, Outcome, PageResponse, Pages, PasswordLimits, PasswordProblem, Person, ReturnAddress,
    Said, SignInPage, SignedIn, Theme, Trouble, UsedAccount,
};
use coatroom::protocol::words::{GrantId, Issuer, ProviderName, Scope, Timestamp};

const HOSTILE: &str = "\u{202e}<script>alert(\"1\")</script>'\u{200b}&\n";
/// What an operator writes is trusted, and escaped all the same.
const DESCRIPTION: &str = "Files, branches and settings; never the list of who may see them";

const CONFIGURED: &str = "<b>\"R&D's\"</b>";
const PROVIDER: &str = "GitHub";

const TROUBLES: [Trouble<'static>; 24] = [
    Trouble::UnknownClient,
    Trouble::BlockedClient,
    Trouble::DocumentsOff,
    Trouble::DocumentUnreachable { host: "evil.example" },
    Trouble::DocumentRefused { host: "evil.example" },
    Trouble::DocumentHost { host: "evil.example" },
    Trouble::DocumentsBusy,
    Trouble::UnregisteredRedirect,
    Trouble::InvalidRequest,
    Trouble::Expired,
    Trouble::LinkExpired,
    Trouble::LinkUsed,
    Trouble::GrantEnded,
    Trouble::OtherUser,
    Trouble::SignInFailed { provider: PROVIDER },
    Trouble::SignInRefused { provider: PROVIDER },
    Trouble::SignInCancelled { provider: PROVIDER },
    Trouble::ProviderUnavailable { provider: PROVIDER },
    Trouble::NoCookie,
    Trouble::NotAllowed { provider: PROVIDER, person: Person::new("Alice"), said: Said::new("") },
    Trouble::Unavailable,
    Trouble::TooManyRequests,
    Trouble::NotFound,
    Trouble::WrongMethod,
];

/// Everything that a consent page borrows.
struct Asked {
    github: ProviderName,
    google: ProviderName,
    read: Scope,
    write: Scope,
}

impl Asked {
    fn new() -> Self {
        Self {
            github: ProviderName::parse("github").unwrap(),
            google: ProviderName::parse("google").unwrap(),
            read: "repos:read".parse().unwrap(),
            write: "repos:write".parse().unwrap(),
        }
    }

    fn github(&self) -> OfferedProvider<'_> {
        OfferedProvider { here: false, name: &self.github, title: "GitHub" }
    }

    fn google(&self) -> OfferedProvider<'_> {
        OfferedProvider { here: false, name: &self.google, title: "Google" }
    }

    fn read(&self) -> AskedScope<'_> {
        let title = "See your repositories";
        AskedScope { scope: &self.read, title, description: None, optional: false, granted_before: false }
    }

    fn write(&self) -> AskedScope<'_> {
        let title = "Change your repositories";
        let description = Some(DESCRIPTION);
        AskedScope { scope: &self.write, title, description, optional: true, granted_before: false }
    }
}

fn pages() -> Pages {
    themed(&Theme::new())
}

/// The pages of an operator.
pub(crate) fn themed(theme: &Theme) -> Pages {
    Pages::new(&Issuer::parse("https://mcp.example.com").unwrap(), theme).unwrap()
}

fn stylesheet() -> Asset {
    pages().assets().next().unwrap().clone()
}

pub(crate) fn to(uri: &str) -> ReturnAddress {
    ReturnAddress::parse(uri).unwrap()
}

/// A consent page of a registered app that asks for nothing.
pub(crate) fn plain_page(redirect: &ReturnAddress) -> ConsentPage<'_> {
    ConsentPage {
        flow: "sealed-flow",
        client: AskingClient { name: Some("Claude Code"), proof: ClientProof::Registered, logo: None },
        redirect,
        server: McpServer { name: "GitHub tools", url: "https://mcp.example.com/github" },
        uses: &[],
        scopes: &[],
        providers: &[],
        signed_in: None,
    }
}

/// A page on which a registered app's user connects a provider, with a hostile name of theirs.
fn connect_page() -> ConnectPage<'static> {
    ConnectPage {
        flow: "sealed-flow",
        client: AskingClient { name: Some("Claude Code"), proof: ClientProof::Registered, logo: None },
        server: McpServer { name: "GitHub tools", url: "https://mcp.example.com/github" },
        provider: "Slack",
        permissions: &["channels:read", CONFIGURED],
        person: HOSTILE,
    }
}

pub(crate) async fn html(answer: PageResponse) -> String {
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn consent(page: &ConsentPage<'_>) -> String {
    html(pages().consent(Language::English, page)).await
}

/// What stands behind an app that this host describes.
fn document(host: &str) -> ClientProof<'_> {
    ClientProof::Document { host, url: "https://evil.example/c", only_loopback: host == "evil.example" }
}

/// One page of every kind and state, with hostile text wherever a stranger can write.
fn every_page() -> Vec<PageResponse> {
    every_page_in(Language::English)
}

/// The same in another language, in the same order.
pub(crate) fn every_page_in(language: Language) -> Vec<PageResponse> {
    every_page_of(&pages(), language)
}

/// The same of one operator.
pub(crate) fn every_page_of(pages: &Pages, language: Language) -> Vec<PageResponse> {
    let asked = Asked::new();
    let (web, local) = (to("https://evil.example/cb?a=%22%3E%3Cscript%3E&b='"), to("http://127.0.0.1:1/cb"));
    let app = to("com.example.app:/cb?x='%3E");
    let described = AskedScope { description: Some(CONFIGURED), ..asked.read() };
    let scopes = [described, asked.write(), AskedScope { granted_before: true, ..asked.write() }];
    let providers = [asked.github(), asked.google()];
    let uses = [UsedAccount { provider: PROVIDER, permissions: &["repo", CONFIGURED] }];
    let signed_in = Some(SignedIn { person: HOSTILE, provider: asked.github() });
    let proofs = [ClientProof::Configured, ClientProof::Registered, document("evil.example")];
    let mut answers = Vec::new();
    for redirect in [&web, &local, &app] {
        for proof in proofs {
            for name in [None, Some(HOSTILE)] {
                let page =
                    ConsentPage { client: AskingClient { name, proof, logo: None }, ..plain_page(redirect) };
                answers.push(pages.consent(language, &page));
                let full = ConsentPage { uses: &uses, scopes: &scopes, providers: &providers, ..page };
                answers.push(pages.consent(language, &full));
                answers.push(pages.consent(language, &ConsentPage { signed_in, ..full }));
            }
        }
        for outcome in
            [Outcome::Allowed, Outcome::Cancelled, Outcome::Failed, Outcome::SigningIn, Outcome::SignedIn]
        {
            answers.push(
                pages.hand_over(language, &HandOverPage { client: Some(HOSTILE), to: redirect, outcome }),
            );
        }
        for trouble in TROUBLES {
            let page = ErrorPage::new(trouble, "ref-1").with_detail(HOSTILE).with_way_back(redirect);
            answers.push(pages.error(language, &page));
            answers.push(pages.error(language, &ErrorPage::new(trouble, "ref-1")));
        }
    }
    let server = McpServer { name: CONFIGURED, url: "https://mcp.example.com/a" };
    for name in [None, Some(HOSTILE)] {
        for proof in proofs {
            let client = AskingClient { name, proof, logo: None };
            answers.push(pages.connect(language, &ConnectPage { client, server, ..connect_page() }));
        }
        let page = ConnectSignInPage { flow: "sealed-flow", provider: CONFIGURED, somebody_else: name };
        answers.push(pages.connect_sign_in(language, &page));
        for end in [ConnectEnd::Connected, ConnectEnd::Cancelled] {
            let page = ConnectEndPage { provider: CONFIGURED, client: name, end };
            answers.push(pages.connect_end(language, &page));
        }
    }
    answers.push(pages.landing(language, &LandingPage { servers: &[server] }));
    answers.push(pages.landing(language, &LandingPage { servers: &[] }));
    answers.extend(account_pages(pages, language, &asked, &[Some(&web), Some(&local), Some(&app), None]));
    answers.extend(local_pages(pages, language));
    answers
}

/// The page on which nobody is signed in, of a server with local accounts alone.
pub(crate) fn sign_in_here(pages: &Pages, language: Language, done: Option<AccountNote>) -> PageResponse {
    let name = ProviderName::parse("local").unwrap();
    let local = OfferedProvider { here: true, name: &name, title: pages.local_accounts(language) };
    pages.sign_in(language, &SignInPage { providers: &[local], done })
}

/// The pages of local accounts, with every problem that they can tell.
fn local_pages(pages: &Pages, language: Language) -> Vec<PageResponse> {
    let limits = PasswordLimits { least: 12, most: 200 };
    let (minute, more) = (Duration::from_mins(1), Duration::from_mins(15));
    let mut answers = vec![pages.password_set(language)];
    for problem in [
        None,
        Some(EnterProblem::Address),
        Some(EnterProblem::Wrong),
        Some(EnterProblem::Disabled),
        Some(EnterProblem::TooMany(minute)),
        Some(EnterProblem::TooMany(more)),
        Some(EnterProblem::TooManyMails(minute)),
        Some(EnterProblem::TooManyMails(more)),
    ] {
        for by_mail in [true, false] {
            let page = EnterPage { flow: "a-flow", email: CONFIGURED, problem, by_mail, open: by_mail };
            answers.push(pages.enter(language, &page));
        }
    }
    let passwords = [
        PasswordProblem::TooShort,
        PasswordProblem::TooLong,
        PasswordProblem::Guessable,
        PasswordProblem::Different,
    ];
    for deed in [Deed::Code, Deed::Reset, Deed::SignUp] {
        let others = [None, Some(MailedProblem::Wrong), Some(MailedProblem::TooMany(more))];
        for problem in
            others.into_iter().chain(passwords.map(|problem| Some(MailedProblem::Password(problem))))
        {
            let (flow, sealed, email) = ("a-flow", "sealed", "alice@example.com");
            let page = MailedPage { flow, sealed, email, deed, name: CONFIGURED, code: "1", limits, problem };
            answers.push(pages.mailed(language, &page));
        }
    }
    for first in [true, false] {
        for problem in [None].into_iter().chain(passwords.map(Some)) {
            let page = NewPasswordPage { link: "a-link", email: "alice@example.com", first, limits, problem };
            answers.push(pages.new_password(language, &page));
        }
    }
    answers
}

/// The pages of a person's connections, with apps that return to these addresses.
fn account_pages(
    pages: &Pages,
    language: Language,
    asked: &Asked,
    redirects: &[Option<&ReturnAddress>],
) -> Vec<PageResponse> {
    let grant = GrantId::from_bytes([7; 16]);
    let server = McpServer { name: CONFIGURED, url: "https://mcp.example.com/a" };
    let app = |redirect, known: bool, scopes| {
        let (since, last_used) = (Timestamp::from_unix(0).date(), Timestamp::from_unix(1_795_651_200).date());
        let document = (!known).then_some("apps.example");
        let connected = scopes;
        ConnectedApp {
            grant: &grant,
            name: Some(HOSTILE),
            known,
            document,
            redirect,
            server,
            scopes,
            connected,
            since,
            last_used,
        }
    };
    let apps: Vec<_> = redirects
        .iter()
        .flat_map(|redirect| [app(*redirect, true, &[CONFIGURED, "Read"][..]), app(*redirect, false, &[])])
        .collect();
    let signed_in = SignedIn { person: HOSTILE, provider: asked.github() };
    let mut answers = Vec::new();
    for done in [None, Some(AccountNote::Ended), Some(AccountNote::SignedOut)] {
        for apps in [&apps[..], &apps[..1], &[]] {
            answers.push(pages.account(language, &AccountPage { signed_in, apps, done }));
        }
        for providers in [&[asked.github(), asked.google()][..], &[asked.github()], &[]] {
            answers.push(pages.sign_in(language, &SignInPage { providers, done }));
        }
    }
    answers
}

// === Every page ===

#[test]
fn every_page_has_every_header() {
    for answer in every_page() {
        let mut headers: Vec<String> = answer
            .headers()
            .iter()
            .filter(|(name, _)| !["refresh", "retry-after"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        insta::allow_duplicates! {
            insta::assert_snapshot!(headers.join("\n"), @r"
            cache-control: no-store
            content-language: en
            content-security-policy: default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'
            content-type: text/html; charset=utf-8
            cross-origin-opener-policy: unsafe-none
            permissions-policy: camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()
            referrer-policy: same-origin
            strict-transport-security: max-age=31536000
            vary: accept-language
            x-content-type-options: nosniff
            x-frame-options: DENY
            ");
        }
    }
}

#[test]
fn plain_http_on_loopback_promises_no_https() {
    let pages = Pages::new(&Issuer::parse("http://localhost:8787").unwrap(), &Theme::new()).unwrap();
    let answer = pages.landing(Language::English, &LandingPage { servers: &[] });
    assert!(!answer.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn no_page_has_a_script_an_inline_style_or_a_hostile_character() {
    for answer in every_page() {
        let html = html(answer).await;
        for bad in ["<script", "<b>", "javascript:", "style=", "<style", " on", "\u{202e}", "\u{200b}"] {
            let found = html.match_indices(bad).any(|(at, _)| bad != " on" || is_handler(&html[at + 1..]));
            assert!(!found, "{bad:?} in {html}");
        }
    }
}

/// Whether the text begins like an event handler attribute, such as `onclick=`.
pub(crate) fn is_handler(text: &str) -> bool {
    text.trim_start_matches(|c: char| c.is_ascii_lowercase()).starts_with('=')
}

#[tokio::test]
async fn only_the_link_back_to_the_app_leads_elsewhere() {
    for answer in every_page() {
        let html = html(answer).await;
        let names = ["href", "src", "action", "srcset", "poster", "formaction"];
        for value in names.iter().flat_map(|name| attributes(&html, name)) {
            let own = value.starts_with("/account")
                || value == "/consent"
                || value == "/connect"
                || value.starts_with("/sign-in/a-flow")
                || value == "/password/a-link"
                || value == "data:,"
                || value == stylesheet().path;
            let link = format!("<a class=\"button first\" href=\"{value}\"");
            let plain_link = format!("<a class=\"button\" href=\"{value}\"");
            assert!(own || html.contains(&link) || html.contains(&plain_link), "{value}");
        }
    }
}

#[tokio::test]
async fn every_page_has_one_heading_of_the_first_order_one_main_part_and_a_language() {
    for answer in every_page() {
        let html = html(answer).await;
        assert_eq!(html.matches("<h1>").count(), 1, "{html}");
        assert_eq!(html.matches("<main>").count(), 1);
        assert!(html.contains(r#"<html lang="en" dir="ltr">"#));
        assert!(html.find("<h1>") < html.find("<h2").or(Some(usize::MAX)));
        assert!(html.contains("You are at mcp.example.com."));
        let ids = attributes(&html, "id");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
        for name in ["aria-labelledby", "aria-describedby"] {
            for named in attributes(&html, name) {
                assert!(named.split(' ').all(|id| ids.iter().any(|known| known == id)), "{named}");
            }
        }
    }
}

// A page in another language has no word of this one.
#[test]
fn no_template_has_a_word_of_its_own() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (start, end) in [("{#", "#}"), ("{%", "%}"), ("{{", "}}")] {
            text = without(&text, start, end);
        }
        for name in ["aria-label", "title", "alt", "placeholder", "value", "content"] {
            for value in attributes(&text, name) {
                let technical = ["", "width=device-width, initial-scale=1", "light dark", "noindex"];
                assert!(technical.contains(&value.as_str()), "{name}={value:?} in {}", path.display());
            }
        }
        let words = without(&text, "<", ">");
        assert!(!words.chars().any(char::is_alphanumeric), "{} says {:?}", path.display(), words.trim());
        seen += 1;
    }
    assert!(seen >= 8);
}

/// A text without everything that stands between two marks.
fn without(text: &str, start: &str, end: &str) -> String {
    let mut parts = text.split(start);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| kept + part.split_once(end).unwrap_or_else(|| panic!("{part}")).1)
}

/// The values of an attribute, wherever it stands.
pub(crate) fn attributes(html: &str, name: &str) -> Vec<String> {
    let parts = html.split(&format!(" {name}=\"")).skip(1).collect::<Vec<_>>();
    parts.iter().map(|part| part.split('"').next().unwrap().to_owned()).collect()
}

// === Consent ===

#[tokio::test]
async fn consent_shows_who_asks_where_the_answer_goes_and_what_for() {
    let (asked, redirect) = (Asked::new(), to("https://claude.ai/api/mcp/auth_callback"));
    let scopes = [asked.read(), asked.write()];
    let uses = [UsedAccount { provider: PROVIDER, permissions: &["read:user", "repo"] }];
    let page = ConsentPage { scopes: &scopes, uses: &uses, ..plain_page(&redirect) };
    let html = consent(&page).await;
    for part in [
        "Allow Claude Code to use GitHub tools?",
        "<bdi>Claude Code</bdi>",
        r#"<strong class="host">claude.ai</strong>"#,
        "<code>https://claude.ai/api/mcp/auth_callback</code>",
        "<code>https://mcp.example.com/github</code>",
        "It works with your GitHub account.",
        "<code>read:user</code>, <code>repo</code>",
        "See your repositories",
        DESCRIPTION,
        "Change your repositories",
        r#"<form method="post" action="/consent">"#,
        r#"<input type="hidden" name="flow" value="sealed-flow">"#,
        r#"name="choice" value="deny">Cancel</button>"#,
    ] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
}

#[tokio::test]
async fn names_that_nobody_checked_are_marked() {
    let redirect = to("https://claude.ai/cb");
    let with = |proof| ConsentPage {
        client: AskingClient { name: Some("Claude"), proof, logo: None },
        ..plain_page(&redirect)
    };
    assert!(consent(&with(ClientProof::Registered)).await.contains("Unverified"));
    let document = consent(&with(document("claude.ai"))).await;
    assert!(document.contains("Unverified") && document.contains("This name comes from claude.ai."));
    assert!(!consent(&with(ClientProof::Configured)).await.contains("Unverified"));
}

#[tokio::test]
async fn a_hostile_name_is_shown_as_text() {
    let redirect = to("https://evil.example/cb");
    let client = AskingClient { name: Some(HOSTILE), proof: ClientProof::Registered, logo: None };
    let html = consent(&ConsentPage { client, ..plain_page(&redirect) }).await;
    assert!(
        html.contains("<bdi>&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#39;&#38;</bdi>"),
        "{html}"
    );
}

#[tokio::test]
async fn answers_to_an_app_on_this_computer_and_foreign_letters_carry_a_warning() {
    for (uri, warning) in [
        ("http://localhost:33418/", Some("Any app on this computer")),
        ("http://127.0.0.1/callback", Some("Any app on this computer")),
        ("http://[::1]:9/callback", Some("Any app on this computer")),
        ("cursor://anysphere.cursor-mcp/oauth/callback", Some("Any app on this device")),
        ("https://www.xn--clude-3ve.example/cb", Some("unusual letters")),
        ("https://claude.ai/cb", None),
    ] {
        let redirect = to(uri);
        let html = consent(&plain_page(&redirect)).await;
        assert_eq!(html.contains(r#"class="warning""#), warning.is_some(), "{uri}");
        assert!(html.contains(warning.unwrap_or_default()), "{uri}");
        assert!(html.contains(&format!(r#"<strong class="host">{}</strong>"#, redirect.receiver())), "{uri}");
    }
}

#[tokio::test]
async fn an_app_that_a_document_describes_is_shown_with_its_host_and_its_whole_address() {
    let redirect = to("http://127.0.0.1:1/cb");
    let page = |host, only_loopback| {
        let proof = ClientProof::Document { host, url: "https://client.example/oauth/c.json", only_loopback };
        ConsentPage { client: AskingClient { name: Some("App"), proof, logo: None }, ..plain_page(&redirect) }
    };
    let html = consent(&page("client.example", false)).await;
    assert!(html.contains(r#"<strong class="host" id="document">client.example</strong>"#), "{html}");
    assert!(html.contains("<code>https://client.example/oauth/c.json</code>"));
    assert!(html.contains("Any app on this computer can use any name"));
    assert!(!html.contains("unusual letters"));
    let html = consent(&page("client.example", true)).await;
    assert!(html.contains("client.example cannot make sure that it is this app"), "{html}");
    let html = consent(&page("xn--clude-3ve.example", false)).await;
    assert!(html.contains("xn--clude-3ve.example</strong>") && html.contains("unusual letters"), "{html}");
}

#[tokio::test]
async fn a_logo_is_shown_from_our_own_address_and_pictures_are_allowed_on_that_page_alone() {
    let redirect = to("https://claude.ai/cb");
    let page = |logo| ConsentPage {
        client: AskingClient { name: Some("Claude"), proof: document("claude.ai"), logo },
        ..plain_page(&redirect)
    };
    let policy =
        |answer: &PageResponse| answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let with = pages().consent(Language::English, &page(Some("/assets/logos/abc")));
    assert!(policy(&with).contains("img-src 'self' data:;"));
    assert!(html(with).await.contains(r#"<img src="/assets/logos/abc" alt="""#));
    let without = pages().consent(Language::English, &page(None));
    assert!(policy(&without).contains("img-src data:;"));
    assert!(!html(without).await.contains("<img"));
}

#[tokio::test]
async fn only_optional_scopes_can_be_dropped() {
    let (asked, redirect) = (Asked::new(), to("https://claude.ai/cb"));
    let html =
        consent(&ConsentPage { scopes: &[asked.read(), asked.write()], ..plain_page(&redirect) }).await;
    assert!(html.contains(r#"<input type="checkbox" name="scope" value="repos:write" checked"#));
    assert!(!html.contains(r#"value="repos:read""#));
    let html = consent(&ConsentPage { scopes: &[asked.read()], ..plain_page(&redirect) }).await;
    assert!(!html.contains("Untick"));
}

#[tokio::test]
async fn what_is_said_about_a_scope_stands_below_its_title() {
    let (asked, redirect) = (Asked::new(), to("https://claude.ai/cb"));
    let described = AskedScope { description: Some("A second line"), ..asked.read() };
    let html = consent(&ConsentPage { scopes: &[described, asked.write()], ..plain_page(&redirect) }).await;
    assert!(html.contains(r#"See your repositories<br><span class="note">A second line</span>"#), "{html}");
    assert!(html.contains(&format!("Change your repositories<br><span class=\"note\">{DESCRIPTION}</span>")));
}

#[tokio::test]
async fn new_scopes_come_first_and_are_marked_when_others_were_granted_before() {
    let (asked, redirect) = (Asked::new(), to("https://claude.ai/cb"));
    let before = AskedScope { granted_before: true, ..asked.read() };
    let html = consent(&ConsentPage { scopes: &[before, asked.write()], ..plain_page(&redirect) }).await;
    assert_eq!(html.matches(r#"class="mark new""#).count(), 1);
    assert!(html.find("Change your repositories") < html.find("See your repositories"));
    let html =
        consent(&ConsentPage { scopes: &[asked.read(), asked.write()], ..plain_page(&redirect) }).await;
    assert!(!html.contains(r#"class="mark new""#) && !html.contains("before:"));
}

/// The values of the buttons, in order; the one that stands out has a `*`.
fn choices(html: &str) -> Vec<String> {
    let buttons = html.split(r#"name="choice" value=""#).skip(1);
    let value = |part: &str| part.split('"').next().unwrap().to_owned();
    let mark = |part: &str| if part.split('>').next().unwrap().contains("first") { "*" } else { "" };
    buttons.map(|part| value(part) + mark(part)).collect()
}

#[tokio::test]
async fn each_provider_has_a_button_and_no_provider_is_preferred_among_several() {
    let (asked, redirect) = (Asked::new(), to("https://claude.ai/cb"));
    let html = consent(&ConsentPage { providers: &[asked.github()], ..plain_page(&redirect) }).await;
    assert_eq!(choices(&html), ["github*", "deny"]);
    let both = [asked.github(), asked.google()];
    let html = consent(&ConsentPage { providers: &both, ..plain_page(&redirect) }).await;
    assert_eq!(choices(&html), ["github", "google", "deny"]);
    assert!(html.contains("Continue with Google</button>"));
}

#[tokio::test]
async fn a_person_who_is_signed_in_may_go_on_with_that_account_or_another() {
    let (asked, redirect) = (Asked::new(), to("https://claude.ai/cb"));
    let both = [asked.google(), asked.github()];
    let signed_in = Some(SignedIn { person: "Alice", provider: asked.github() });
    let html = consent(&ConsentPage { providers: &both, signed_in, ..plain_page(&redirect) }).await;
    assert_eq!(choices(&html), ["github*", "github:other", "google", "deny"]);
    assert!(html.contains("Continue as Alice (GitHub)</button>"));
    assert!(html.contains("Use another GitHub account</button>"));
}

#[tokio::test]
async fn enter_in_a_checkbox_presses_a_button_that_does_nothing() {
    let redirect = to("https://claude.ai/cb");
    let html = consent(&plain_page(&redirect)).await;
    let first = html.split("<button").nth(1).unwrap().split('>').next().unwrap();
    assert_eq!(first, r#" type="submit" formmethod="dialog" hidden"#);
}

// === Connecting a further account ===

#[tokio::test]
async fn connecting_shows_who_asks_what_for_with_which_permissions_and_who_is_signed_in() {
    let page = ConnectPage { person: "Alice", ..connect_page() };
    let html = html(pages().connect(Language::English, &page)).await;
    for part in [
        "<h1>Connect your Slack account?</h1>",
        "<bdi>Claude Code</bdi>",
        "Unverified",
        "<bdi>GitHub tools</bdi>",
        "<code>https://mcp.example.com/github</code>",
        "<code>channels:read</code>",
        "You are signed in here as Alice.",
        "Claude Code never gets it",
        r#"value="connect" class="first" aria-describedby="decide">Continue to Slack</button>"#,
        r#"value="cancel">Cancel</button>"#,
        r#"<form method="post" action="/connect">"#,
    ] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
}

#[tokio::test]
async fn whoever_is_not_the_links_user_learns_where_to_sign_in_and_nothing_else() {
    let page = ConnectSignInPage { flow: "f", provider: "GitHub", somebody_else: None };
    let answer = pages().connect_sign_in(Language::English, &page);
    assert_eq!(answer.status(), 200);
    assert!(html(answer).await.contains("Sign in with GitHub</button>"));
    let page = ConnectSignInPage { somebody_else: Some("Bob"), ..page };
    let answer = pages().connect_sign_in(Language::English, &page);
    assert_eq!(answer.status(), 403);
    let html = html(answer).await;
    assert!(
        html.contains("This link is for somebody else") && html.contains("signed in here as Bob"),
        "{html}"
    );
    assert!(html.contains("do not use it"));
}

#[tokio::test]
async fn the_last_page_says_how_it_ended_and_that_the_app_goes_on() {
    let page = ConnectEndPage { provider: "Slack", client: Some("Claude"), end: ConnectEnd::Connected };
    let connected = html(pages().connect_end(Language::English, &page)).await;
    assert!(
        connected.contains("<h1>Slack is connected</h1>") && connected.contains("go back to Claude"),
        "{connected}"
    );
    let page = ConnectEndPage { end: ConnectEnd::Cancelled, ..page };
    assert!(html(pages().connect_end(Language::English, &page)).await.contains("Slack was not connected"));
}

// === Connections ===

#[tokio::test]
async fn each_app_has_its_own_button_and_all_of_several_have_one_together() {
    let (asked, grant) = (Asked::new(), GrantId::from_bytes([7; 16]));
    let (local, site) = (to("http://127.0.0.1:5/cb"), to("https://claude.ai/api/mcp/auth_callback"));
    let app = |name, redirect, known: bool| ConnectedApp {
        grant: &grant,
        name: Some(name),
        known,
        document: (!known).then_some("editor.example"),
        redirect: Some(redirect),
        server: McpServer { name: "Notes", url: "https://mcp.example.com/notes" },
        scopes: &["Read notes"],
        connected: if known { &[] } else { &["Slack"] },
        since: Timestamp::from_unix(1_709_164_800).date(),
        last_used: Timestamp::from_unix(1_795_651_200).date(),
    };
    let apps = [app("Editor", &local, false), app("Claude", &site, true)];
    let signed_in = SignedIn { person: "Alice", provider: asked.github() };
    let shown = async |apps| {
        html(pages().account(Language::English, &AccountPage { signed_in, apps, done: None })).await
    };
    let both = shown(&apps[..]).await;
    for part in [
        "You are signed in as Alice (GitHub).",
        "<bdi>Editor</bdi> <span class=\"mark\">Unverified</span>",
        "<dt>Described by the website</dt><dd>editor.example</dd>",
        "<bdi>Claude</bdi></h2>",
        "on a computer (127.0.0.1)",
        "<dd>claude.ai</dd>",
        "Read notes",
        "<dt>Connected accounts</dt><dd><ul><li>Slack</li></ul></dd>",
        "<time datetime=\"2024-02-29\">29 February 2024</time>",
        "<time datetime=\"2026-11-26\">26 November 2026</time>",
        ">Remove Editor</button>",
        ">Remove Claude</button>",
        "name=\"grant\" value=\"all\">Remove all apps</button>",
    ] {
        assert!(both.contains(part), "{part} is missing in {both}");
    }
    assert!(!shown(&apps[..1]).await.contains("Remove all"));
    assert!(shown(&[]).await.contains("No app may act for you at the moment."));
}

// === Hand-over, errors, landing, stylesheet ===

#[tokio::test]
async fn the_hand_over_refreshes_to_the_exact_address_and_links_to_it() {
    for uri in [
        "http://127.0.0.1:33418/cb?code=c&state=a;b%22&iss=https%3A%2F%2Fmcp.example.com",
        "https://claude.ai/cb?x=1&code=c",
        "cursor://anysphere.cursor-mcp/oauth/callback?code=c",
    ] {
        let page = HandOverPage { client: Some("Claude"), to: &to(uri), outcome: Outcome::Allowed };
        let answer = pages().hand_over(Language::English, &page);
        assert_eq!(answer.status(), 200);
        let refresh = &answer.headers()["refresh"];
        assert_eq!(refresh.to_str().unwrap(), format!("0;url={uri}"));
        assert!(refresh.is_sensitive());
        assert!(!answer.headers().contains_key("location"));
        let html = html(answer).await;
        let link =
            format!(r#"<a class="button first" href="{}">Return to Claude</a>"#, uri.replace('&', "&#38;"));
        assert!(html.contains(&link), "{html}");
        assert!(html.contains("you can close this window"));
        assert!(!html.contains("http-equiv"));
    }
}

#[tokio::test]
async fn the_hand_over_says_what_was_decided() {
    let to = to("https://claude.ai/cb?error=access_denied");
    let page = HandOverPage { client: None, to: &to, outcome: Outcome::Cancelled };
    let html = html(pages().hand_over(Language::English, &page)).await;
    assert!(html.contains("<h1>Cancelled</h1>") && html.contains("You allowed nothing."));
    assert!(html.contains("Return to an app without a name"));
}

#[tokio::test]
async fn each_trouble_has_its_status_and_says_what_happened_why_and_what_to_do() {
    let mut titles = BTreeSet::new();
    for trouble in TROUBLES {
        let answer = pages().error(Language::English, &ErrorPage::new(trouble, "ref-1"));
        let status = answer.status();
        assert!(status.is_client_error() || status.is_server_error());
        let waits = [429, 503].contains(&status.as_u16());
        assert_eq!(answer.headers().contains_key("retry-after"), waits, "{trouble:?}");
        let html = html(answer).await;
        assert!(html.contains(">Why</h2>") && html.contains(">What to do now</h2>"));
        assert!(html.contains(&format!("Status {} · Reference <code>ref-1</code>", status.as_u16())));
        assert!(!html.contains("<details>") && !html.contains("<a "), "{trouble:?}");
        titles.insert(html.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap().to_owned());
    }
    assert_eq!(titles.len(), TROUBLES.len());
}

#[tokio::test]
async fn a_forgotten_app_is_told_to_add_the_server_again() {
    let html = html(pages().error(Language::English, &ErrorPage::new(Trouble::UnknownClient, "r"))).await;
    assert!(html.contains("remove this server from it, and add the server again"));
}

#[tokio::test]
async fn an_error_page_carries_the_detail_the_way_back_and_the_time_to_wait() {
    let back = to("https://claude.ai/cb?error=invalid_scope&state=s");
    let page = ErrorPage::new(Trouble::InvalidRequest, "r")
        .with_detail("invalid_scope: no scope <b>")
        .with_way_back(&back)
        .with_retry_after(Duration::from_secs(7));
    let answer = pages().error(Language::English, &page);
    assert_eq!(answer.headers()["retry-after"], "7");
    let html = html(answer).await;
    assert!(html.contains("<code>invalid_scope: no scope &#60;b&#62;</code>"));
    let link =
        r#"href="https://claude.ai/cb?error=invalid_scope&#38;state=s">Return to the app (claude.ai)</a>"#;
    assert!(html.contains(link), "{html}");
}

#[tokio::test]
async fn the_landing_page_lists_the_servers() {
    let servers = [McpServer { name: "Notes", url: "https://mcp.example.com/notes" }];
    let html = html(pages().landing(Language::English, &LandingPage { servers: &servers })).await;
    assert!(html.contains("<bdi>Notes</bdi>") && html.contains("<code>https://mcp.example.com/notes</code>"));
}

#[tokio::test]
async fn the_stylesheet_is_kept_for_ever_under_a_path_of_its_content() {
    let sheet = stylesheet();
    assert!(sheet.path.starts_with("/assets/pages-"));
    let css = String::from_utf8(sheet.body.to_vec()).unwrap();
    assert!(css.len() < 8192 && !css.contains("url(") && !css.contains("@import"));
    let answer = sheet.respond();
    assert_eq!(answer.headers()["content-type"], "text/css; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(html(answer).await, css);
}

#[test]
fn every_pair_of_text_and_ground_has_enough_contrast() {
    let css = String::from_utf8(stylesheet().body.to_vec()).unwrap();
    let (light, dark) = css.split_once("prefers-color-scheme: dark").unwrap();
    for palette in [light, dark] {
        let luminance = |name: &str| {
            let hex = palette.split(&format!("--{name}: #")).nth(1).unwrap();
            let channel = |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
            0.2126 * linear(channel(0)) + 0.7152 * linear(channel(2)) + 0.0722 * linear(channel(4))
        };
        let contrast = |a: &str, b: &str| {
            let (a, b) = (luminance(a), luminance(b));
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        for (text, grounds) in [
            ("text", &["ground", "card", "soft"][..]),
            ("quiet", &["ground", "card", "soft"]),
            ("accent", &["card", "tint"]),
            ("on-accent", &["accent", "accent-hover"]),
            ("warn-text", &["warn-ground"]),
        ] {
            for ground in grounds {
                assert!(contrast(text, ground) >= 4.5, "{text} on {ground}: {}", contrast(text, ground));
            }
        }
        // Edges of controls and the focus ring: WCAG 2.2, 1.4.11.
        for (edge, ground) in [("edge", "card"), ("accent", "card"), ("accent", "ground")] {
            assert!(contrast(edge, ground) >= 3.0, "{edge} on {ground}");
        }
    }
}
