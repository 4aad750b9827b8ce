//! The frame around every page: ours, or an operator's.
//!
//! A frame is an HTML document with four places: `{{language}}` in the `html` element, `{{head}}` in its head, `{{title}}` in the title, and
//! `{{content}}` in the body. What protects people does not depend on it: the content security policy is ours whatever it says, so that no
//! script in it runs, nothing from elsewhere is loaded and no form leads elsewhere. The checks here tell its author so before a page is
//! shown; they read tags as browsers do, but are no guard against an operator.

use std::fmt;
use std::sync::{Arc, LazyLock};

/// A part of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pages) enum Piece {
    /// What its author wrote.
    Html(String),
    /// The attributes that say which language a page is in, and how it is written.
    Language,
    Head,
    Title,
    Content,
}

/// The frame that pages have unless an operator has another.
pub(super) fn ours() -> Arc<[Piece]> {
    static OURS: LazyLock<Arc<[Piece]>> =
        LazyLock::new(|| pieces(include_str!("../../../templates/frame.html")).unwrap_or_default().into());
    Arc::clone(&OURS)
}

/// Reads a frame.
///
/// # Errors
/// What is wrong with it, and in which line.
pub(super) fn pieces(html: &str) -> Result<Vec<Piece>, String> {
    if html.len() > LARGEST {
        return Err(format!("it has {} bytes; a frame may have {LARGEST}", html.len()));
    }
    let start = html.trim_start_matches('\u{feff}').trim_start().get(..15).unwrap_or_default();
    if !start.eq_ignore_ascii_case("<!doctype html>") {
        return Err("line 1: it does not begin with <!doctype html>".to_owned());
    }
    let mut reader = Reader { html, at: 0, done: 0, inside: Inside::default(), pieces: Vec::new() };
    let read = reader.read();
    read.map_err(|problem| format!("line {}: {problem}", reader.line()))?;
    for place in PLACES {
        if !reader.pieces.contains(&place.piece) {
            return Err(format!("{{{{{}}}}} is missing; it belongs {}", place.name, place.belongs));
        }
    }
    Ok(reader.pieces)
}

/// A place of a frame, and where it belongs.
struct PlaceOf {
    name: &'static str,
    piece: Piece,
    belongs: &'static str,
    is_there: fn(Inside) -> bool,
}

const PLACES: [PlaceOf; 4] = [
    PlaceOf {
        name: "language",
        piece: Piece::Language,
        belongs: "in the html element, as in <html {{language}}>",
        is_there: |inside| inside.html_tag,
    },
    PlaceOf {
        name: "head",
        piece: Piece::Head,
        belongs: "in the head element",
        is_there: |inside| inside.head && !inside.title && !inside.tag,
    },
    PlaceOf {
        name: "title",
        piece: Piece::Title,
        belongs: "in the title element, as in <title>{{title}}</title>",
        is_there: |inside| inside.head && inside.title && !inside.tag,
    },
    PlaceOf {
        name: "content",
        piece: Piece::Content,
        belongs: "in the body element",
        is_there: |inside| inside.body && !inside.tag,
    },
];

/// In which elements the reader is, and whether in a tag.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a place of its own")]
struct Inside {
    html_tag: bool,
    tag: bool,
    head: bool,
    title: bool,
    body: bool,
}

struct Reader<'a> {
    html: &'a str,
    /// How far it has read.
    at: usize,
    /// How far what was read is in `pieces`.
    done: usize,
    inside: Inside,
    pieces: Vec<Piece>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) -> Result<(), Problem> {
        while let Some(found) = self.rest().find(['<', '{']) {
            self.at += found;
            let rest = self.rest();
            if rest.starts_with("{{") {
                self.place()?;
            } else if rest.starts_with("<!--") {
                self.comment()?;
            } else if let Some(tag) = rest.strip_prefix("</") {
                self.end_tag(tag)?;
            } else if rest.get(1..2).is_some_and(|next| next.starts_with(|c: char| c.is_ascii_alphabetic())) {
                self.tag()?;
            } else {
                self.at += 1;
            }
        }
        self.take_html(self.html.len());
        Ok(())
    }

    fn rest(&self) -> &'a str {
        self.html.get(self.at..).unwrap_or_default()
    }

    fn line(&self) -> usize {
        self.html.get(..self.at).unwrap_or_default().matches('\n').count() + 1
    }

    fn take_html(&mut self, to: usize) {
        let text = self.html.get(self.done..to).unwrap_or_default();
        if !text.is_empty() {
            self.pieces.push(Piece::Html(text.to_owned()));
        }
        self.done = to;
    }

    /// Reads `{{…}}`, where the reader stands.
    fn place(&mut self) -> Result<(), Problem> {
        let inner = self.rest().get(2..).and_then(|rest| rest.split_once("}}")).map(|(inner, _)| inner);
        let inner = inner.ok_or("{{ is not closed")?;
        let name = inner.trim();
        let known = PLACES.into_iter().find(|place| place.name == name);
        let known = known.ok_or_else(|| {
            format!("{{{{{name}}}}} is not known; there are {{{{language}}}}, {{{{head}}}}, {{{{title}}}} and {{{{content}}}}")
        })?;
        if !(known.is_there)(self.inside) {
            return Err(format!("{{{{{name}}}}} belongs {}", known.belongs).into());
        }
        if self.pieces.contains(&known.piece) {
            return Err(format!("{{{{{name}}}}} stands here a second time").into());
        }
        self.take_html(self.at);
        self.pieces.push(known.piece);
        self.at += inner.len() + 4;
        self.done = self.at;
        Ok(())
    }

    fn comment(&mut self) -> Result<(), Problem> {
        let end = self.rest().find("-->").ok_or("a comment is not closed")?;
        if self.rest().get(..end).is_some_and(|comment| comment.contains("{{")) {
            return Err("a place stands in a comment".into());
        }
        self.at += end + 3;
        Ok(())
    }

    fn end_tag(&mut self, tag: &str) -> Result<(), Problem> {
        let end = self.rest().find('>').ok_or("a tag is not closed")?;
        match name_of(tag).as_str() {
            "head" => self.inside.head = false,
            "title" => self.inside.title = false,
            "body" => self.inside.body = false,
            _ => {}
        }
        self.at += end + 1;
        Ok(())
    }

    /// Reads `<name attribute="value">`, and refuses what would have no effect, or a wrong one.
    fn tag(&mut self) -> Result<(), Problem> {
        self.at += 1;
        let name = name_of(self.rest());
        if let Some((_, why)) = REFUSED.iter().find(|(names, _)| names.contains(&name.as_str())) {
            return Err(format!("<{name}> is not for frames: {why}").into());
        }
        self.at += name.len();
        self.inside.tag = true;
        self.inside.html_tag = name == "html";
        loop {
            self.at += self.rest().find(|c: char| !c.is_ascii_whitespace() && c != '/').unwrap_or(0);
            let rest = self.rest();
            if rest.starts_with("{{") {
                self.place()?;
            } else if rest.starts_with('>') {
                self.at += 1;
                break;
            } else if rest.is_empty() {
                return Err("a tag is not closed".into());
            } else {
                self.attribute(&name)?;
            }
        }
        self.inside.tag = false;
        self.inside.html_tag = false;
        match name.as_str() {
            "head" => self.inside.head = true,
            "title" => self.inside.title = true,
            "body" => self.inside.body = true,
            _ => {}
        }
        Ok(())
    }

    fn attribute(&mut self, element: &str) -> Result<(), Problem> {
        let rest = self.rest();
        // As in browsers, `=` can begin a name.
        let end = rest.char_indices().skip(1).find(|(_, c)| c.is_ascii_whitespace() || "/>=".contains(*c));
        let (name, after) = rest.split_at_checked(end.map_or(rest.len(), |(at, _)| at)).unwrap_or((rest, ""));
        let (value, rest) = match after.trim_ascii_start().strip_prefix('=') {
            None => ("", after),
            Some(text) => value(text.trim_ascii_start()).ok_or("an attribute is not closed")?,
        };
        check_attribute(element, &name.to_ascii_lowercase(), value)?;
        self.at = self.html.len() - rest.len();
        Ok(())
    }
}

/// The value with which a text begins, and what follows; `None` when its quotes are not closed.
fn value(text: &str) -> Option<(&str, &str)> {
    if let Some(quote @ ('"' | '\'')) = text.chars().next() {
        return text.get(1..)?.split_once(quote);
    }
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(text.len());
    text.split_at_checked(end)
}

/// Why an attribute is not for frames.
fn check_attribute(element: &str, name: &str, value: &str) -> Result<(), Problem> {
    let value = value.trim();
    let begins = |starts: &[&str]| {
        let lower = value.to_ascii_lowercase();
        starts.iter().any(|start| lower.starts_with(start))
    };
    if name.contains("{{") || value.contains("{{") {
        return Err(format!("a place stands in the attribute {name}").into());
    }
    if name.starts_with("on") {
        return Err(format!("{name}=…: no script runs on these pages").into());
    }
    if name == "style" {
        return Err("style=…: styles belong in the stylesheet of the theme".into());
    }
    if name == "http-equiv" {
        return Err("http-equiv=…: headers are ours".into());
    }
    if LOADING.contains(&name) && !begins(&["data:"]) {
        return Err(format!(
            "{name}=…: pages load nothing but what is ours; pictures may be data: addresses"
        )
        .into());
    }
    let leads = name == "href" || name.ends_with(":href");
    if leads && matches!(element, "a" | "area") && !begins(&["https://", "mailto:", "tel:", "/", "#"]) {
        return Err(format!("{name}=…: links lead to https://, mailto:, tel:, / or #").into());
    }
    if leads && !matches!(element, "a" | "area") && !begins(&["#", "data:"]) {
        return Err(format!("{name}=…: pages load nothing but what is ours").into());
    }
    Ok(())
}

fn name_of(tag: &str) -> String {
    let end = tag.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>').unwrap_or(tag.len());
    tag.get(..end).unwrap_or_default().to_ascii_lowercase()
}

/// What is wrong with a frame, at the place where its reader stands.
struct Problem(String);

impl From<&str> for Problem {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Elements that are not for frames, and why.
const REFUSED: &[(&[&str], &str)] = &[
    (&["script", "noscript", "template"], "no script runs on these pages"),
    (&["style", "link"], "styles belong in the stylesheet of the theme"),
    (
        &["iframe", "frame", "frameset", "object", "embed", "portal", "audio", "video"],
        "pages load nothing but what is ours",
    ),
    (&["form", "input", "button", "select", "textarea"], "what people send is ours alone"),
    (&["base", "plaintext", "xmp", "noembed", "noframes"], "it changes what follows"),
    (&["main", "h1"], "the content has its own, and a page has one"),
];

/// Attributes whose address is loaded.
const LOADING: &[&str] =
    &["src", "srcset", "imagesrcset", "poster", "data", "background", "ping", "manifest"];

/// The largest frame, in bytes.
const LARGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "<!doctype html>\n<html {{language}} class=acme>\n<head>\n{{head}}\n<title>{{ title }} | Acme</title>\n</head>\n<body>\n<!-- bar -->\n<p><a href=\"https://acme.example\">Acme</a> <img src='data:,' alt=\"\"></p>\n{{content}}\n</body>\n</html>\n";

    #[test]
    fn a_frame_is_cut_at_its_places() {
        let pieces = pieces(GOOD).unwrap();
        let places: Vec<&Piece> = pieces.iter().filter(|piece| !matches!(piece, Piece::Html(_))).collect();
        assert_eq!(places, [&Piece::Language, &Piece::Head, &Piece::Title, &Piece::Content]);
        let html: String = pieces
            .iter()
            .filter_map(|piece| if let Piece::Html(html) = piece { Some(html.as_str()) } else { None })
            .collect();
        let rest = ["{{language}}", "{{head}}", "{{ title }}", "{{content}}"]
            .iter()
            .fold(GOOD.to_owned(), |text, place| text.replace(place, ""));
        assert_eq!(html, rest, "nothing is lost");
        assert_eq!(ours().iter().filter(|piece| !matches!(piece, Piece::Html(_))).count(), 4);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let with = |place: &str, other: &str| {
            assert!(GOOD.contains(place), "{place}");
            pieces(&GOOD.replacen(place, other, 1)).unwrap_err()
        };
        for (place, other, expected) in [
            ("<!doctype html>", "", "line 1: it does not begin with"),
            ("{{head}}", "", "{{head}} is missing; it belongs in the head element"),
            (" {{language}}", "", "{{language}} is missing"),
            ("{{content}}", "{{content}}{{content}}", "line 10: {{content}} stands here a second time"),
            ("{{content}}", "{{contents}}", "line 10: {{contents}} is not known"),
            ("{{content}}", "<!-- {{content}} -->", "line 10: a place stands in a comment"),
            ("{{content}}", "<p title=\"{{content}}\">", "line 10: a place stands in the attribute title"),
            ("{{content}}", "<p {{content}}>", "line 10: {{content}} belongs in the body"),
            ("{{head}}", "{{content}}", "line 4: {{content}} belongs in the body"),
            ("{{content}}", "{{title}}", "line 10: {{title}} belongs in the title"),
            ("{{content}}", "{{language}}", "line 10: {{language}} belongs in the html element"),
            ("{{content}}", "{{content", "line 10: {{ is not closed"),
            ("<p>", "<SCRIPT>alert(1)</SCRIPT>", "line 9: <script> is not for frames: no script runs"),
            ("<p>", "<script/x>", "line 9: <script> is not for frames"),
            ("<p>", "<p onclick=alert(1)>", "line 9: onclick=…: no script runs"),
            ("<p>", "<p\nOnClick = 'x'>", "onclick=…: no script runs"),
            ("<p>", "<p/onclick=x>", "line 9: onclick=…"),
            ("<p>", "<p title=\">\" onclick=x>", "line 9: onclick=…"),
            ("<p>", "<p title='a'onclick=x>", "line 9: onclick=…"),
            ("<p>", "<p style=\"color:red\">", "line 9: style=…: styles belong in the stylesheet"),
            ("<p>", "<style>", "line 9: <style> is not for frames"),
            ("<p>", "<link rel=stylesheet href=https://x.example/x.css>", "line 9: <link> is not for frames"),
            ("<p>", "<form action=/>", "line 9: <form> is not for frames"),
            ("<p>", "<meta http-equiv=refresh content=0>", "line 9: http-equiv=…"),
            ("<p>", "<base href=/>", "line 9: <base> is not for frames"),
            ("<p>", "<h1>", "line 9: <h1> is not for frames"),
            ("'data:,'", "https://x.example/x.png", "line 9: src=…: pages load nothing"),
            ("https://acme.example", "javascript:alert(1)", "line 9: href=…: links lead to"),
            ("<p>", "<svg><use href=\"https://x.example/#x\"/></svg>", "line 9: href=…: pages load nothing"),
            ("<!-- bar -->", "<!-- bar", "line 8: a comment is not closed"),
            ("</html>", "<p title=\"", "an attribute is not closed"),
            ("</html>", "<p", "a tag is not closed"),
        ] {
            let said = with(place, other);
            assert!(said.contains(expected), "{other}: {said}");
        }
        assert!(pieces(&GOOD.replace("<p>", &"<p>".repeat(LARGEST))).unwrap_err().contains("bytes"));
        assert!(pieces("").is_err());
    }

    #[test]
    fn whatever_is_given_nothing_panics() {
        let bits =
            ["<", ">", "{{", "}}", "content", "html", "a=", "\"", "'", "é", "/", "<!--", " ", "=", "\0"];
        let mut seed = 1u32;
        for _ in 0..20_000 {
            let mut html = String::from("<!doctype html>");
            for _ in 0..12 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                html.push_str(bits[usize::try_from(seed >> 16).unwrap() % bits.len()]);
            }
            let _ = pieces(&html);
        }
    }
}
