//! What an operator changes about all pages and mails: name, logo, colours, texts, links, the frame and a stylesheet.
//!
//! A theme is plain text and bytes until it is put together; then everything that is wrong with it is named at once. What protects people
//! does not change with it: headers, forms, what the consent page shows, and the address of the site below each page.

mod colour;
mod frame;
mod palette;
mod picture;

pub(super) use frame::Piece;

use std::fmt;
use std::sync::Arc;

use coatroom_protocol::words::is_deceptive;
use url::Url;

use self::colour::Colour;
use self::palette::{Chosen, Scheme};
use super::asset::Asset;
use super::language::{Language, Texts};

/// What an operator changes about all pages and mails. Without any of it they look as they do by themselves.
#[derive(Clone, Default)]
#[must_use]
pub struct Theme {
    name: Option<String>,
    logo: Option<Vec<u8>>,
    dark_logo: Option<Vec<u8>>,
    logo_text: Option<String>,
    colours: Vec<(ThemeColour, String)>,
    texts: Vec<(Language, String, String)>,
    links: Vec<(ThemeLink, String)>,
    frame: Option<String>,
    stylesheet: Option<String>,
}

/// A colour that can be chosen. `Dark` is for people who like it dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThemeColour {
    /// What stands out: the first button, links, marks.
    Accent,
    /// The same in the dark. By default as much lighter than the other as it takes.
    AccentDark,
    /// What the pages lie on.
    Background,
    /// The same in the dark.
    BackgroundDark,
    /// Text.
    Text,
    /// The same in the dark.
    TextDark,
}

impl ThemeColour {
    /// Every colour that can be chosen.
    pub const ALL: &[Self] =
        &[Self::Accent, Self::AccentDark, Self::Background, Self::BackgroundDark, Self::Text, Self::TextDark];

    /// Its name in a configuration: `accent_dark`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accent => "accent",
            Self::AccentDark => "accent_dark",
            Self::Background => "background",
            Self::BackgroundDark => "background_dark",
            Self::Text => "text",
            Self::TextDark => "text_dark",
        }
    }
}

/// A link below each page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThemeLink {
    /// The terms of use.
    Terms,
    /// What is done with people's data.
    Privacy,
    /// Where people find help.
    Support,
}

impl ThemeLink {
    /// Every link that can be set, in the order of display.
    pub const ALL: &[Self] = &[Self::Terms, Self::Privacy, Self::Support];

    /// Its name in a configuration: `terms`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terms => "terms",
            Self::Privacy => "privacy",
            Self::Support => "support",
        }
    }
}

/// Something wrong about a theme.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThemeProblem {
    /// What it is about, as a configuration names it: `colours.accent`, `texts.en.consent_title`, `frame`.
    pub about: String,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for ThemeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the theme's {}: {}", self.about, self.text)
    }
}

impl Theme {
    /// A theme that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of the product or organisation: in the title of each page, as the heading at `/`, above the content where there is no logo, and
    /// in mails, beside the address of the site.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The logo above the content: a PNG, JPEG, WebP or SVG file of at most 256 KiB. It needs a name or a [text](Self::with_logo_text).
    pub fn with_logo(mut self, picture: impl Into<Vec<u8>>) -> Self {
        self.logo = Some(picture.into());
        self
    }

    /// The logo for people who like it dark. Default: the same.
    pub fn with_dark_logo(mut self, picture: impl Into<Vec<u8>>) -> Self {
        self.dark_logo = Some(picture.into());
        self
    }

    /// What the logo says to those who do not see it. Default: the name.
    pub fn with_logo_text(mut self, text: impl Into<String>) -> Self {
        self.logo_text = Some(text.into());
        self
    }

    /// Chooses a colour, `#rrggbb`. Text must be read on it, and it on what it lies on, with a contrast of 4.5:1 (WCAG 2.2, AA).
    pub fn with_colour(mut self, colour: ThemeColour, value: impl Into<String>) -> Self {
        self.colours.push((colour, value.into()));
        self
    }

    /// Says something otherwise in one language. [`text_names`](super::text_names) has the names of all texts, and what each of them must name: the
    /// text `consent_title` has `{app}` and `{server}` in it.
    pub fn with_text(mut self, language: Language, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.texts.push((language, name.into(), text.into()));
        self
    }

    /// Adds a link below each page, an `https` URL.
    pub fn with_link(mut self, link: ThemeLink, address: impl Into<String>) -> Self {
        self.links.push((link, address.into()));
        self
    }

    /// The HTML document around each page, with the places `{{language}}`, `{{head}}`, `{{title}}` and `{{content}}`.
    pub fn with_frame(mut self, html: impl Into<String>) -> Self {
        self.frame = Some(html.into());
        self
    }

    /// CSS that follows ours in the stylesheet of all pages, at most 64 KiB.
    pub fn with_stylesheet(mut self, css: impl Into<String>) -> Self {
        self.stylesheet = Some(css.into());
        self
    }

    /// Everything that is wrong.
    #[must_use]
    pub fn problems(&self) -> Vec<ThemeProblem> {
        self.look().err().unwrap_or_default()
    }

    /// Puts everything together.
    pub(super) fn look(&self) -> Result<Look, Vec<ThemeProblem>> {
        let mut problems = Problems(Vec::new());
        let name = self.name.as_ref().and_then(|name| problems.keep("name", one_line(name)));
        let logo_text = self.logo_text.as_ref().and_then(|text| problems.keep("logo_text", one_line(text)));
        let mut pictures = Vec::new();
        let mut picture = |about: &str, file: Option<&Vec<u8>>, problems: &mut Problems| {
            let asset = problems.keep(about, picture::picture("logo", file?))?;
            let path = asset.path.clone();
            pictures.push(asset);
            Some(path)
        };
        let logo = picture("logo", self.logo.as_ref(), &mut problems);
        let dark_logo = picture("logo_dark", self.dark_logo.as_ref(), &mut problems);
        if self.logo.is_some() && self.name.is_none() && self.logo_text.is_none() {
            problems.add("logo", "it needs a name or a text, for those who do not see it");
        }
        if self.dark_logo.is_some() && self.logo.is_none() {
            problems.add("logo_dark", "there is no logo for the light");
        }
        let mut texts = Texts::default();
        for (language, name, text) in &self.texts {
            let about = format!("texts.{}.{name}", language.tag());
            problems.keep(&about, texts.add(*language, name, text));
        }
        let links = self.links(&mut problems);
        let frame = match &self.frame {
            None => frame::ours(),
            Some(html) => problems.keep("frame", frame::pieces(html)).unwrap_or_default().into(),
        };
        let mut css = self.colour_variables(&mut problems);
        if logo.is_some() || name.is_some() || !links.is_empty() {
            css.push_str(include_str!("../../../assets/theme.css"));
        }
        if let Some(own) =
            self.stylesheet.as_ref().and_then(|own| problems.keep("stylesheet", stylesheet(own)))
        {
            css.push_str(own);
        }
        if !problems.0.is_empty() {
            return Err(problems.0);
        }
        let text = logo_text.or_else(|| name.clone());
        Ok(Look {
            name,
            text,
            logo,
            dark_logo,
            texts,
            links,
            frame,
            stylesheet: Asset::stylesheet(&css),
            pictures,
        })
    }

    fn colour(&self, colour: ThemeColour, problems: &mut Problems) -> Option<Colour> {
        let (_, value) = self.colours.iter().rev().find(|(chosen, _)| *chosen == colour)?;
        let parsed = Colour::parse(value).ok_or_else(|| format!("`{value}` is no colour such as #0f5f59"));
        problems.keep(&format!("colours.{}", colour.as_str()), parsed)
    }

    /// The variables of `pages.css` that the chosen colours change.
    fn colour_variables(&self, problems: &mut Problems) -> String {
        let light = Chosen {
            accent: self.colour(ThemeColour::Accent, problems),
            background: self.colour(ThemeColour::Background, problems),
            text: self.colour(ThemeColour::Text, problems),
        };
        let background = self.colour(ThemeColour::BackgroundDark, problems);
        let lighter = || light.accent.map(|accent| Chosen::for_the_dark(accent, background));
        let dark = Chosen {
            accent: self.colour(ThemeColour::AccentDark, problems).or_else(lighter),
            background,
            text: self.colour(ThemeColour::TextDark, problems),
        };
        let light = light.variables(Scheme::Light, |key, text| {
            problems.add(&format!("colours.{key}"), text);
        });
        let dark = dark.variables(Scheme::Dark, |key, text| {
            problems.add(&format!("colours.{key}_dark"), format!("in the dark, {text}"));
        });
        let light = (!light.is_empty()).then(|| format!(":root{{{light}}}\n"));
        let dark =
            (!dark.is_empty()).then(|| format!("@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"));
        [light, dark].into_iter().flatten().collect()
    }

    fn links(&self, problems: &mut Problems) -> Vec<Link> {
        let mut links = Vec::new();
        for kind in ThemeLink::ALL.iter().copied() {
            let Some((_, address)) = self.links.iter().rev().find(|(set, _)| *set == kind) else { continue };
            let url = Url::parse(address).ok().filter(|url| url.scheme() == "https" && url.has_host());
            let url = url.ok_or_else(|| format!("`{address}` is no https URL"));
            let url = problems.keep(&format!("links.{}", kind.as_str()), url);
            links.extend(url.map(|url| Link { kind, address: url.into() }));
        }
        links
    }
}

impl fmt::Debug for Theme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Theme")
            .field("name", &self.name)
            .field("colours", &self.colours)
            .finish_non_exhaustive()
    }
}

/// Collects what is wrong.
struct Problems(Vec<ThemeProblem>);

impl Problems {
    fn add(&mut self, about: &str, text: impl Into<String>) {
        self.0.push(ThemeProblem { about: about.to_owned(), text: text.into() });
    }

    fn keep<T>(&mut self, about: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|text| self.add(about, text)).ok()
    }
}

/// A name, or the text of a picture.
fn one_line(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.chars().count() > LONGEST_NAME {
        return Err(format!("it has more than {LONGEST_NAME} characters"));
    }
    if text.chars().any(|c| c.is_control() || is_deceptive(c)) {
        return Err("it has characters that are not for names".to_owned());
    }
    Ok(text.to_owned())
}

/// CSS that loads nothing from elsewhere. That it could not is for the content security policy; this says so to who writes it.
fn stylesheet(css: &str) -> Result<&str, String> {
    if css.len() > LARGEST_STYLESHEET {
        return Err(format!("it has {} bytes; a stylesheet may have {LARGEST_STYLESHEET}", css.len()));
    }
    let lower = css.to_ascii_lowercase();
    if lower.contains("@import") {
        return Err("@import: pages load nothing but what is ours".to_owned());
    }
    let loads = |after: &str| !after.trim_start().trim_start_matches(['"', '\'']).starts_with("data:image/");
    if lower.split("url(").skip(1).any(loads) {
        return Err(
            "url(…): pages load nothing but what is ours; pictures may be data:image/ addresses".to_owned()
        );
    }
    Ok(css)
}

/// A theme that is put together.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) name: Option<String>,
    /// What stands above the content, or what its logo says.
    text: Option<String>,
    logo: Option<String>,
    dark_logo: Option<String>,
    pub(super) texts: Texts,
    pub(super) links: Vec<Link>,
    pub(super) frame: Arc<[Piece]>,
    pub(super) stylesheet: Asset,
    pub(super) pictures: Vec<Asset>,
}

/// A link below each page.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) kind: ThemeLink,
    pub(super) address: String,
}

/// What stands above the content.
pub(super) struct Brand<'a> {
    pub(super) text: &'a str,
    pub(super) logo: Option<&'a str>,
    pub(super) dark_logo: Option<&'a str>,
}

impl Look {
    /// What stands above the content, if anything does.
    pub(super) fn brand(&self) -> Option<Brand<'_>> {
        let text = self.text.as_deref()?;
        Some(Brand { text, logo: self.logo.as_deref(), dark_logo: self.dark_logo.as_deref() })
    }
}

/// The longest name, in characters.
const LONGEST_NAME: usize = 60;
/// The largest stylesheet of an operator, in bytes.
const LARGEST_STYLESHEET: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let theme = Theme::new()
            .with_name(" ")
            .with_logo(*b"GIF89a")
            .with_colour(ThemeColour::Accent, "red")
            .with_colour(ThemeColour::BackgroundDark, "#ffffff")
            .with_text(Language::English, "consent_titel", "x")
            .with_link(ThemeLink::Terms, "http://acme.example/terms")
            .with_link(ThemeLink::Support, "javascript:alert(1)")
            .with_frame("<html>")
            .with_stylesheet("body { background: url( 'https://x.example/x.png') }");
        let about: Vec<String> = theme.problems().into_iter().map(|problem| problem.about).collect();
        assert_eq!(
            about,
            [
                "name",
                "logo",
                "texts.en.consent_titel",
                "links.terms",
                "links.support",
                "frame",
                "colours.accent",
                "colours.background_dark",
                "colours.background_dark",
                "stylesheet",
            ]
        );
        assert!(Theme::new().problems().is_empty());
    }

    #[test]
    fn a_logo_says_something_to_those_who_do_not_see_it() {
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>";
        let about = |theme: Theme| theme.problems().into_iter().map(|it| it.about).collect::<Vec<_>>();
        assert_eq!(about(Theme::new().with_logo(*svg)), ["logo"]);
        assert_eq!(about(Theme::new().with_dark_logo(*svg)), ["logo_dark"]);
        assert!(about(Theme::new().with_logo(*svg).with_logo_text("Acme")).is_empty());
        assert!(about(Theme::new().with_logo(*svg).with_name("Acme")).is_empty());
    }

    #[test]
    fn a_stylesheet_loads_nothing_from_elsewhere() {
        for bad in
            ["@IMPORT 'x.css';", "a{b:url(https://x)}", "a{b:URL( x.png )}", "a{b:url(data:text/html,x)}"]
        {
            assert!(stylesheet(bad).is_err(), "{bad}");
        }
        assert!(stylesheet("a{b:url(\"data:image/png;base64,AAAA\")}").is_ok());
        assert!(stylesheet(&"x".repeat(LARGEST_STYLESHEET + 1)).is_err());
    }
}
