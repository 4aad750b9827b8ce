//! Every page and every mail in every language: nothing is missing, left in English, or set as another language would.

use coatroom::pages::{Language, MailText, Theme};

use super::pages::{every_page_in, html, themed};

/// What may read the same in English: names, addresses, numbers, and words that a language shares with it. The rest of a page that
/// is not words is the same in every language.
const SHARED: &[(&str, &[&str])] =
    &[("de", &["Code"]), ("fr", &["Code"]), ("es", &[]), ("ja", &[]), ("zh-Hans", &[])];

/// What the pages are told to show: no language changes it.
const GIVEN: &[&str] = &[
    "Claude Code",
    "GitHub tools",
    "GitHub",
    "Slack",
    "See your repositories",
    "Files, branches and settings; never the list of who may see them",
    "Change your repositories",
    "Read",
    "evil.example",
    "apps.example",
    "127.0.0.1",
    "com.example.app",
    "ref-1",
    "repo",
    "channels:read",
    "mcp.example.com",
];

fn others() -> impl Iterator<Item = Language> {
    Language::ALL.iter().copied().filter(|language| *language != Language::English)
}

/// The texts of a page, in order: what stands between its tags.
fn texts(html: &str) -> Vec<String> {
    let body = html.split_once("<title>").unwrap().1;
    let texts = body.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(_, text)| text.trim());
    let title = body.split('<').next().unwrap();
    [title].into_iter().chain(texts).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// Every text of every page, beside the English one.
async fn pairs(language: Language) -> Vec<(String, String)> {
    let (english, translated) = (every_page_in(Language::English), every_page_in(language));
    assert_eq!(english.len(), translated.len());
    let mut pairs = Vec::new();
    for (english, translated) in english.into_iter().zip(translated) {
        assert_eq!(english.status(), translated.status());
        let (english, translated) = (texts(&html(english).await), texts(&html(translated).await));
        assert_eq!(english.len(), translated.len(), "{english:?} {translated:?}");
        pairs.extend(english.into_iter().zip(translated));
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Subject and text of every mail.
fn mails(language: Language) -> Vec<(String, String)> {
    let (pages, link) = (themed(&Theme::new()), "https://mcp.example.com/password/abc");
    [
        MailText::SignInCode("1234 5678"),
        MailText::ResetCode("1234 5678"),
        MailText::SignUpCode("1234 5678"),
        MailText::HasAccount,
        MailText::Invitation(link),
        MailText::ResetLink(link),
    ]
    .map(|text| pages.mail(language, text))
    .into()
}

/// Every text that a person can read in a language.
async fn everything(language: Language) -> Vec<String> {
    let pages = pairs(language).await.into_iter().map(|(_, text)| text);
    pages.chain(mails(language).into_iter().flat_map(|(subject, text)| [subject, text])).collect()
}

/// Whether a text has letters that are in nothing that the page was told to show. One alone is the initial of a name.
fn has_words(text: &str) -> bool {
    let rest = GIVEN.iter().fold(text.replace("&#38;", ""), |text, given| text.replace(given, ""));
    let is_technical = rest.contains("://") || rest.contains(":/cb") || rest.contains("&#60;");
    rest.chars().filter(|c| c.is_alphabetic()).count() > 1 && !is_technical
}

#[tokio::test]
async fn every_page_says_its_language_to_browsers_and_readers() {
    for &language in Language::ALL {
        let tag = language.tag();
        for page in every_page_in(language) {
            assert_eq!(page.headers()["content-language"], tag);
            assert_eq!(page.headers()["vary"], "accept-language");
            let html = html(page).await;
            assert!(html.contains(&format!(r#"<html lang="{tag}" dir="ltr">"#)), "{html}");
        }
    }
}

#[tokio::test]
async fn no_text_is_left_in_english() {
    for language in others() {
        let (_, shared) = SHARED.iter().find(|(tag, _)| *tag == language.tag()).unwrap();
        let mut seen = Vec::new();
        for (english, text) in pairs(language).await {
            if english == text && has_words(&text) {
                let word = shared.iter().find(|word| text.starts_with(**word));
                seen.push(*word.unwrap_or_else(|| panic!("{text:?} is English in {}", language.tag())));
            }
        }
        assert!(shared.iter().all(|word| seen.contains(word)), "{shared:?}: only {seen:?} are shared");
        for (english, mail) in mails(Language::English).into_iter().zip(mails(language)) {
            assert!(english.0 != mail.0 && english.1 != mail.1, "{mail:?}");
        }
    }
}

// A name, a host, a code or a number that a language loses is a warning or a way that is lost.
#[tokio::test]
async fn every_language_names_what_english_names() {
    let named = [
        "Claude Code",
        "GitHub tools",
        "GitHub",
        "Slack",
        "Alice",
        "evil.example",
        "mcp.example.com",
        "127.0.0.1",
    ];
    let more =
        ["com.example.app", "alice@example.com", "12", "200", "1234 5678", "/password/abc", "&#60;script"];
    for language in others() {
        let mails = mails(Language::English).into_iter().zip(mails(language));
        let mails = mails.flat_map(|(english, mail)| [(english.0, mail.0), (english.1, mail.1)]);
        for (english, text) in pairs(language).await.into_iter().chain(mails) {
            for name in named.iter().chain(&more) {
                assert!(
                    !english.contains(name) || text.contains(name),
                    "{name} is lost: {english:?} {text:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn each_language_has_its_own_quotation_marks() {
    let balanced =
        |text: &str, open: &str, close: &str| text.matches(open).count() == text.matches(close).count();
    for language in others() {
        let (open, close, foreign): (_, _, &[&str]) = match language {
            Language::German => ("„", "“", &["”", "«", "»", "「"]),
            Language::French => ("«\u{202f}", "\u{202f}»", &["„", "“", "”", "「"]),
            Language::Spanish => ("«", "»", &["„", "“", "”", "「", "\u{202f}"]),
            Language::Japanese => ("「", "」", &["„", "“", "”", "«", "’"]),
            _ => ("“", "”", &["„", "«", "「", "’"]),
        };
        let mut quoted = 0;
        for text in everything(language).await {
            assert!(!foreign.iter().any(|mark| text.contains(mark)), "{text:?}");
            assert!(balanced(&text, open, close), "{text:?}");
            quoted += text.matches(open).count();
        }
        assert!(quoted > 0, "{}", language.tag());
    }
}

#[tokio::test]
async fn french_marks_keep_their_distance() {
    for text in everything(Language::French).await {
        for wrong in [" ?", " !", " ;", " :", "« ", " »"] {
            assert!(!text.contains(wrong), "{text:?}");
        }
        for (at, _) in text.match_indices(['?', '!']) {
            assert!(
                text.contains("://") || text.contains(":/cb") || text[..at].ends_with('\u{202f}'),
                "{text:?}"
            );
        }
    }
}

#[tokio::test]
async fn spanish_questions_open_as_they_close() {
    for text in everything(Language::Spanish).await.iter().filter(|text| !text.contains(":/")) {
        assert_eq!(text.matches('¿').count(), text.matches('?').count(), "{text:?}");
    }
}

#[tokio::test]
async fn chinese_and_japanese_sentences_have_full_width_marks() {
    for language in [Language::Japanese, Language::Chinese] {
        for text in everything(language).await.iter().filter(|text| !text.contains(":/")) {
            for (at, mark) in text.match_indices([',', '?', '!', ':', ';', '(', ')']) {
                let before = text[..at].chars().next_back();
                let is_chinese = before.is_some_and(|c| ('\u{2e80}'..'\u{fff0}').contains(&c));
                assert!(!is_chinese, "{mark} in {text:?}");
            }
        }
    }
}

#[tokio::test]
async fn local_accounts_have_a_name_that_fits_the_sentences() {
    for (language, button) in [
        (Language::English, "Sign in with e-mail"),
        (Language::German, "Mit E-Mail anmelden"),
        (Language::French, "Se connecter par e-mail"),
        (Language::Spanish, "Iniciar sesión con \u{2068}correo electrónico\u{2069}"),
        (Language::Japanese, "\u{2068}メール\u{2069}でログイン"),
        (Language::Chinese, "使用\u{2068}电子邮箱\u{2069}登录"),
    ] {
        let html = html(super::pages::sign_in_here(&themed(&Theme::new()), language, None)).await;
        assert!(html.contains(&format!(">{button}</button>")), "{html}");
    }
}

#[tokio::test]
async fn days_are_written_as_each_language_writes_them() {
    for (language, day) in [
        (Language::English, "26 November 2026"),
        (Language::German, "26. November 2026"),
        (Language::French, "26 novembre 2026"),
        (Language::Spanish, "26 de noviembre de 2026"),
        (Language::Japanese, "2026年11月26日"),
        (Language::Chinese, "2026年11月26日"),
    ] {
        assert!(everything(language).await.iter().any(|text| text == day), "{day}");
    }
    let texts = everything(Language::French).await;
    assert!(texts.iter().any(|text| text == "1er janvier 1970"));
}

#[tokio::test]
async fn one_minute_is_not_several() {
    for (language, one, several) in [
        (Language::English, "in 1 minute.", "in 15 minutes."),
        (Language::German, "in 1 Minute wieder", "in 15 Minuten wieder"),
        (Language::French, "dans 1 minute.", "dans 15 minutes."),
        (Language::Spanish, "dentro de 1 minuto.", "dentro de 15 minutos."),
        (Language::Japanese, "。1分後に", "。15分後に"),
        (Language::Chinese, "在 1 分钟后", "在 15 分钟后"),
    ] {
        let texts = everything(language).await;
        for part in [one, several] {
            assert!(texts.iter().any(|text| text.contains(part)), "{part}");
        }
    }
}
