//! Pages and mails as an operator wants them: everything of a theme reaches every page, and nothing that protects people is lost by it.

use std::collections::BTreeSet;

use coatroom::pages::{
    AccountNote, Asset, Language, MailText, PageResponse, Pages, Theme, ThemeColour, ThemeLink, text_names,
};

use super::pages::{
    attributes, every_page_in, every_page_of, html, is_handler, plain_page, sign_in_here, themed, to,
};

const LOGO: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
const DARK_LOGO: &[u8] = b"\x89PNG\r\n\x1a\nnot much of a picture";
const FRAME: &str = "<!doctype html>\n<html {{language}} class=\"acme\">\n<head>{{head}}<title>{{title}}</title></head>\n<body><p id=\"bar\">A bar</p>{{content}}</body>\n</html>\n";

fn loud() -> Theme {
    Theme::new()
        .with_name("Acme <&> Söhne")
        .with_logo(LOGO)
        .with_dark_logo(DARK_LOGO)
        .with_logo_text("The \"Acme\" logo")
        .with_colour(ThemeColour::Accent, "#8a1538")
        .with_colour(ThemeColour::Background, "#ffe100")
        .with_link(ThemeLink::Terms, "https://acme.example/terms?a=1&b=\"2\"")
        .with_link(ThemeLink::Privacy, "https://acme.example/privacy")
        .with_link(ThemeLink::Support, "https://acme.example/help")
        .with_frame(FRAME)
        .with_stylesheet("main { border-radius: 0 }")
}

fn named(pages: &Pages, start: &str) -> Asset {
    pages.assets().find(|asset| asset.path.starts_with(start)).unwrap().clone()
}

#[tokio::test]
async fn every_page_has_the_frame_the_name_the_logo_and_the_links() {
    let pages = themed(&loud());
    let (sheet, logo) = (named(&pages, "/assets/pages-"), named(&pages, "/assets/logo-"));
    let dark = pages.assets().find(|asset| asset.media_type == "image/png").unwrap();
    for answer in every_page_of(&pages, Language::German) {
        let html = html(answer).await;
        assert!(html.starts_with("<!doctype html>\n<html lang=\"de\" dir=\"ltr\" class=\"acme\">\n<head><meta charset=\"utf-8\">"), "{html}");
        assert!(html.contains("<p id=\"bar\">A bar</p>") && html.ends_with("</body>\n</html>\n"), "{html}");
        let title = html.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0;
        assert!(title.ends_with("Acme &#60;&#38;&#62; Söhne"), "{title}");
        let brand = format!(
            "<picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"{}\"><img src=\"{}\" alt=\"The &#34;Acme&#34; logo\"></picture>",
            dark.path, logo.path
        );
        assert!(html.contains(&brand), "{html}");
        assert!(html.contains(&format!("<link rel=\"stylesheet\" href=\"{}\">", sheet.path)));
        for link in [
            "<a href=\"https://acme.example/terms?a=1&#38;b=%222%22\">Nutzungsbedingungen</a>",
            "<a href=\"https://acme.example/privacy\">Datenschutz</a>",
            "<a href=\"https://acme.example/help\">Hilfe</a>",
        ] {
            assert!(html.contains(link), "{link}: {html}");
        }
        assert_eq!(html.matches("<h1>").count(), 1, "{html}");
        assert_eq!(html.matches("<main>").count(), 1);
        assert!(html.contains("Sie sind auf mcp.example.com."), "which site it is stays said");
    }
}

#[tokio::test]
async fn what_protects_people_is_the_same_with_a_theme() {
    let pages = themed(&loud());
    for (plain, answer) in
        every_page_in(Language::English).into_iter().zip(every_page_of(&pages, Language::English))
    {
        let (mut before, mut after) = (plain.headers().clone(), answer.headers().clone());
        assert_eq!(plain.status(), answer.status());
        let policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
        assert_eq!(after.remove("content-security-policy").unwrap(), policy);
        before.remove("content-security-policy");
        assert_eq!(before, after);
        let html = html(answer).await;
        for bad in ["<script", "<b>", "javascript:", "style=", "<style", " on", "\u{202e}", "\u{200b}"] {
            let found = html.match_indices(bad).any(|(at, _)| bad != " on" || is_handler(&html[at + 1..]));
            assert!(!found, "{bad:?} in {html}");
        }
        for value in ["src", "srcset", "action"].iter().flat_map(|name| attributes(&html, name)) {
            assert!(value.starts_with('/') || value.starts_with("data:"), "{value}");
        }
    }
}

#[tokio::test]
async fn pictures_and_stylesheet_are_kept_for_ever_and_run_nothing() {
    let pages = themed(&loud());
    let mut types = Vec::new();
    for asset in pages.assets() {
        let answer = asset.respond();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";
        assert_eq!(header("content-security-policy"), policy);
        types.push(header("content-type"));
    }
    assert_eq!(types, ["text/css; charset=utf-8", "image/svg+xml", "image/png"]);
    assert_eq!(html(named(&pages, "/assets/logo-").respond()).await, LOGO);
    let other = themed(&loud().with_logo("<svg/>"));
    assert_ne!(named(&pages, "/assets/logo-").path, named(&other, "/assets/logo-").path);
}

#[test]
fn colours_and_the_operators_styles_follow_ours() {
    let pages = themed(&loud());
    let sheet = named(&pages, "/assets/pages-");
    let css = std::str::from_utf8(&sheet.body).unwrap();
    let plain = themed(&Theme::new());
    let ours = named(&plain, "/assets/pages-");
    let added = css.strip_prefix(std::str::from_utf8(&ours.body).unwrap()).unwrap();
    assert!(added.starts_with(":root{--ground:#ffe100;--quiet:"), "{added}");
    for part in
        ["--accent:#8a1538;", "--on-accent:#ffffff;", "@media (prefers-color-scheme:dark){:root{--accent:#"]
    {
        assert!(added.contains(part), "{part}: {added}");
    }
    assert!(added.ends_with("main { border-radius: 0 }"));
    assert_ne!(ours.path, sheet.path);
}

#[test]
fn mails_name_the_site_by_name_and_address() {
    let (subject, text) = themed(&loud()).mail(Language::English, MailText::SignInCode("12"));
    assert_eq!(subject, "Your code for Acme <&> Söhne (mcp.example.com)");
    assert!(
        text.starts_with("Your code to sign in to Acme <&> Söhne (mcp.example.com):\n\n    12\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_name_alone_stands_above_the_content_and_at_the_root() {
    let pages = themed(&Theme::new().with_name("Acme"));
    let landing = coatroom::pages::LandingPage { servers: &[] };
    let landing = html(pages.landing(Language::English, &landing)).await;
    assert!(landing.contains("<title>Acme</title>") && landing.contains("<h1>Acme</h1>"), "{landing}");
    let other = html(sign_in_here(&pages, Language::English, None)).await;
    assert!(other.contains("<title>Your connections · Acme</title>"), "{other}");
    assert!(other.contains("<header class=\"brand\">Acme</header>"), "{other}");
}

/// Every page and mail that there is, as one text.
async fn everything(pages: &Pages, language: Language) -> String {
    let mut answers: Vec<PageResponse> = every_page_of(pages, language);
    for done in [None, Some(AccountNote::Ended), Some(AccountNote::SignedOut)] {
        answers.push(sign_in_here(pages, language, done));
    }
    answers.push(pages.consent(language, &plain_page(&to("https://www.xn--clude-3ve.example/cb"))));
    let mut all = pages.local_accounts(language).to_owned();
    for answer in answers {
        all.push_str(&html(answer).await);
    }
    for text in [
        MailText::SignInCode("1"),
        MailText::ResetCode("1"),
        MailText::SignUpCode("1"),
        MailText::HasAccount,
        MailText::Invitation("l"),
        MailText::ResetLink("l"),
    ] {
        let (subject, text) = pages.mail(language, text);
        all.push_str(&subject);
        all.push_str(&text);
    }
    all
}

// Each name is that of a text which people see, in its language alone.
#[tokio::test]
async fn every_text_can_be_written_otherwise() {
    let mut theme = loud();
    for (name, names) in text_names() {
        let named = names.iter().map(|name| format!(" {{{name}}}")).collect::<Vec<_>>().concat();
        theme = theme.with_text(Language::French, &name, format!("«{name}»{named}"));
    }
    let pages = themed(&theme);
    let all = everything(&pages, Language::French).await;
    let said: BTreeSet<String> =
        all.split('«').skip(1).map(|rest| rest.split_once('»').unwrap().0.to_owned()).collect();
    let known: BTreeSet<String> = text_names().into_iter().map(|(name, _)| name).collect();
    // The name of the product stands where this would.
    let unseen: Vec<&String> = known.difference(&said).filter(|name| *name != "landing_title").collect();
    assert!(unseen.is_empty(), "{unseen:?}");
    assert!(!everything(&pages, Language::German).await.contains('«'));
}

#[tokio::test]
async fn what_is_written_otherwise_is_escaped_and_names_what_it_should() {
    let pages =
        themed(&Theme::new().with_text(Language::English, "connect_decide", "<b>Really</b>?").with_text(
            Language::English,
            "error_sign_in_failed_happened",
            "{provider} & {provider}",
        ));
    let all = everything(&pages, Language::English).await;
    assert!(all.contains("&#60;b&#62;Really&#60;/b&#62;?") && !all.contains("<b>Really"), "{all}");
    assert!(all.contains("GitHub &#38; GitHub"), "{all}");
}

#[test]
fn the_guide_names_every_text() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/theme.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let mut lists = guide.split("```text\n").skip(1).map(|list| {
        let list = list.split_once("```").unwrap().0.replace('\n', " ");
        list.trim().split(", ").map(str::to_owned).collect::<Vec<_>>()
    });
    let mut said: BTreeSet<String> = lists.next().unwrap().into_iter().collect();
    for trouble in lists.next().unwrap() {
        let end = trouble.find(' ').unwrap_or(trouble.len());
        let (name, rest) = trouble.split_at(end);
        said.extend(["title", "happened", "cause", "next"].map(|part| format!("error_{name}_{part}{rest}")));
    }
    let known: BTreeSet<String> = text_names()
        .into_iter()
        .map(|(name, names)| names.iter().fold(name, |text, name| format!("{text} {{{name}}}")))
        .collect();
    assert_eq!(said, known);
}
