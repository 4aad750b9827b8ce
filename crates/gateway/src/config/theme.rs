//! `[theme]`: how pages and mails look. Its rules are the library's; what they find wrong is said here where it was set.

use std::collections::BTreeMap;

use coatroom::pages::{Language, Theme, ThemeColour, ThemeLink, text_names};

use super::problem::Place;
use super::reader::{Found, Section};
use super::suggest::nearest;

/// Reads the section.
pub(super) fn read(root: &Section<'_>) -> Theme {
    let section = root.section("theme");
    section.only(KEYS);
    let mut places = Places::new();
    let mut theme = Theme::new();
    let text = |key: &str, places: &mut Places| {
        let found = section.text(key)?;
        places.insert(key.to_owned(), found.place);
        Some(found.value)
    };
    if let Some(name) = text("name", &mut places) {
        theme = theme.with_name(name);
    }
    if let Some(alternative) = text("logo_text", &mut places) {
        theme = theme.with_logo_text(alternative);
    }
    if let Some(picture) = file(&section, "logo", &mut places) {
        theme = theme.with_logo(picture);
    }
    if let Some(picture) = file(&section, "logo_dark", &mut places) {
        theme = theme.with_dark_logo(picture);
    }
    if let Some(html) = text_file(&section, "frame", &mut places) {
        theme = theme.with_frame(html);
    }
    if let Some(css) = text_file(&section, "stylesheet", &mut places) {
        theme = theme.with_stylesheet(css);
    }
    let colours = section.section("colours");
    colours.only(&ThemeColour::ALL.iter().map(|colour| colour.as_str()).collect::<Vec<_>>());
    for colour in ThemeColour::ALL.iter().copied() {
        if let Some(found) = colours.text(colour.as_str()) {
            places.insert(format!("colours.{}", colour.as_str()), found.place);
            theme = theme.with_colour(colour, found.value);
        }
    }
    let links = section.section("links");
    links.only(&ThemeLink::ALL.iter().map(|link| link.as_str()).collect::<Vec<_>>());
    for link in ThemeLink::ALL.iter().copied() {
        if let Some(found) = links.text(link.as_str()) {
            places.insert(format!("links.{}", link.as_str()), found.place);
            theme = theme.with_link(link, found.value);
        }
    }
    theme = texts(&section.section("texts"), theme, &mut places);
    for problem in theme.problems() {
        let place = places.get(&problem.about).cloned().or_else(|| root.in_file("theme"));
        let message = format!("theme.{}: {}", problem.about, problem.text);
        section.refuse(&place.unwrap_or(Place::Nowhere), message, None);
    }
    theme
}

/// Where each part of a theme was set, by its name.
type Places = BTreeMap<String, Place>;

fn texts(section: &Section<'_>, mut theme: Theme, places: &mut Places) -> Theme {
    let names = text_names();
    let known = || names.iter().map(|(name, _)| name.as_str());
    section.only(&Language::ALL.iter().map(|language| language.tag()).collect::<Vec<_>>());
    if !section.is_named() {
        return theme;
    }
    for language in Language::ALL.iter().copied() {
        let said = section.section(language.tag());
        for Found { value: key, place } in said.keys() {
            if known().all(|name| name != key) {
                let near = nearest(&key, known()).map(|near| format!("did you mean `{near}`?"));
                let help = near.unwrap_or_else(|| "docs/theme.md names all of them".to_owned());
                said.refuse(&place, format!("there is no text `{key}`"), Some(help));
            }
        }
        for name in known() {
            if let Some(found) = said.text(name) {
                places.insert(format!("texts.{}.{name}", language.tag()), found.place);
                theme = theme.with_text(language, name, found.value);
            }
        }
    }
    theme
}

/// What the file that a key names has in it.
fn file(section: &Section<'_>, key: &str, places: &mut Places) -> Option<Vec<u8>> {
    let found = section.text(key)?;
    let path = section.path(&found);
    places.insert(key.to_owned(), found.place.clone());
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(cause) => {
            let message = format!("theme.{key}: {} cannot be read: {cause}", path.display());
            section.refuse(&found.place, message, None);
            None
        }
    }
}

fn text_file(section: &Section<'_>, key: &str, places: &mut Places) -> Option<String> {
    let bytes = file(section, key, places)?;
    let text = String::from_utf8(bytes).ok();
    if text.is_none() {
        let place = places.get(key).cloned().unwrap_or(Place::Nowhere);
        section.refuse(&place, format!("theme.{key}: the file is not UTF-8"), None);
    }
    text
}

const KEYS: &[&str] =
    &["name", "logo", "logo_dark", "logo_text", "frame", "stylesheet", "colours", "links", "texts"];

#[cfg(test)]
mod tests {
    use super::super::{FakeEnvironment, Flags, load};

    const SERVED: &str = r#"
        public_url = "https://mcp.example.com"
        [accounts]
        [servers.notes]
        upstream = "http://127.0.0.1:3000/mcp"
    "#;

    fn loaded(theme: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let frame = "<!doctype html>\n<html {{language}}><head>{{head}}<title>{{title}}</title></head>\n<body>{{content}}<script></script></body></html>";
        std::fs::write(folder.path().join("frame.html"), frame).unwrap();
        std::fs::write(folder.path().join("good.html"), frame.replace("<script></script>", "")).unwrap();
        std::fs::write(folder.path().join("logo.svg"), "<svg/>").unwrap();
        std::fs::write(folder.path().join("not.txt"), b"\xff\xfe").unwrap();
        let path = folder.path().join("coatroom.toml");
        std::fs::write(&path, format!("{SERVED}\n{theme}")).unwrap();
        let all = variables.iter();
        let environment = all.fold(FakeEnvironment::default(), |all, (name, value)| all.with(name, value));
        let config = load(Some(&path), &Flags::new(), &environment).map_err(|report| report.to_string())?;
        Ok(format!("{:?}", config.theme))
    }

    #[test]
    fn files_start_from_the_folder_of_the_configuration_and_variables_override_them() {
        let theme = "[theme]\nname = \"Acme\"\nlogo = \"logo.svg\"\nframe = \"good.html\"\n[theme.colours]\naccent = \"#8a1538\"\n[theme.links]\nterms = \"https://acme.example/\"\n[theme.texts.zh-Hans]\nconsent_cancel = \"不\"\n";
        assert!(loaded(theme, &[]).unwrap().contains("\"Acme\""));
        let variables = [
            ("COATROOM_THEME_NAME", "Other"),
            ("COATROOM_THEME_COLOURS_ACCENT", "#000080"),
            ("COATROOM_THEME_TEXTS_EN_CONSENT_CANCEL", "No"),
            ("COATROOM_THEME_LINKS_SUPPORT", "https://acme.example/help"),
        ];
        let said = loaded(theme, &variables).unwrap();
        assert!(said.contains("\"Other\"") && said.contains("#000080"), "{said}");
    }

    #[test]
    fn every_mistake_is_said_where_it_was_made() {
        let theme = "[theme]\nlogo = \"none.svg\"\nframe = \"frame.html\"\nstylesheet = \"not.txt\"\nnam = \"x\"\n[theme.colours]\naccent = \"#ffee00\"\n[theme.texts.en]\nconsent_titel = \"x\"\nconsent_title = \"{app}?\"\n[theme.texts.nl]\nx = \"y\"\n";
        let report = loaded(theme, &[("COATROOM_THEME_LINKS_TERMS", "http://acme.example/")]).unwrap_err();
        for expected in [
            "none.svg cannot be read",
            "theme.frame: line 3: <script> is not for frames: no script runs on these pages",
            "theme.stylesheet: the file is not UTF-8",
            "unknown key `nam`",
            "did you mean `name`?",
            "theme.colours.accent: links in the accent #ffee00 on cards #ffffff has a contrast of 1.20:1; it needs 4.5:1",
            "there is no text `consent_titel`",
            "did you mean `consent_title`?",
            "theme.texts.en.consent_title: {server} is missing",
            "unknown key `nl`",
            "environment variable COATROOM_THEME_LINKS_TERMS: theme.links.terms: `http://acme.example/` is no https URL",
        ] {
            assert!(report.contains(expected), "{expected}: {report}");
        }
        let lines = |what: &str| report.lines().filter(|line| line.contains(what)).count();
        assert!(lines("accent = \"#ffee00\"") >= 1 && lines("frame = \"frame.html\"") >= 1, "{report}");
        let mistyped = loaded("", &[("COATROOM_THEME_COLORS_ACCENT", "#8a1538")]).unwrap_err();
        assert!(mistyped.contains("COATROOM_THEME_COLOURS_ACCENT"), "{mistyped}");
    }
}
