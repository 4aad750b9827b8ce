//! The colours of all pages in light and in dark: those that an operator chose, and what follows from them.
//!
//! Three can be chosen: what stands out, what the page lies on, and the text. The rest of `pages.css` stays, or is mixed so that every pair
//! of text and ground that occurs keeps 4.5:1. A chosen pair that does not is an error: nothing is corrected behind the operator's back.

use std::fmt::Write as _;

use super::colour::{Colour, LEAST_CONTRAST};

/// The three colours that can be chosen, for one scheme.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chosen {
    pub(super) accent: Option<Colour>,
    pub(super) background: Option<Colour>,
    pub(super) text: Option<Colour>,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Light,
    Dark,
}

/// What `pages.css` says of a scheme. A test compares both.
struct Ours {
    accent: Colour,
    ground: Colour,
    card: Colour,
    soft: Colour,
    text: Colour,
    quiet: Colour,
    tint: Colour,
}

const LIGHT: Ours = Ours {
    accent: Colour([0x0f, 0x5f, 0x59]),
    ground: Colour([0xf4, 0xf3, 0xf0]),
    card: Colour([0xff, 0xff, 0xff]),
    soft: Colour([0xf7, 0xf6, 0xf3]),
    text: Colour([0x1f, 0x23, 0x28]),
    quiet: Colour([0x56, 0x5d, 0x66]),
    tint: Colour([0xe0, 0xef, 0xec]),
};

const DARK: Ours = Ours {
    accent: Colour([0x7f, 0xd1, 0xc5]),
    ground: Colour([0x13, 0x16, 0x18]),
    card: Colour([0x1c, 0x20, 0x23]),
    soft: Colour([0x23, 0x28, 0x2b]),
    text: Colour([0xe9, 0xe7, 0xe2]),
    quiet: Colour([0xaa, 0xb0, 0xb6]),
    tint: Colour([0x1f, 0x3a, 0x37]),
};

impl Chosen {
    /// The variables that follow, as CSS declarations; none when nothing was chosen. What is not read well is noted, by the name of the colour
    /// that was chosen.
    pub(super) fn variables(self, scheme: Scheme, mut note: impl FnMut(&'static str, String)) -> String {
        let ours = match scheme {
            Scheme::Light => LIGHT,
            Scheme::Dark => DARK,
        };
        let ground = self.background.unwrap_or(ours.ground);
        let text = self.text.unwrap_or(ours.text);
        let mut css = String::new();
        let mut set = |name: &str, colour: Colour| {
            // Writing into a String cannot fail.
            let _ = write!(css, "--{name}:{colour};");
        };
        let mut check = |key: &'static str, (what, colour): (&str, Colour), grounds: &[(&str, Colour)]| {
            for (on, ground) in grounds.iter().filter(|(_, ground)| !colour.is_read_on(*ground)) {
                let ratio = colour.contrast(*ground);
                note(
                    key,
                    format!(
                        "{what} {colour} on {on} {ground} has a contrast of {ratio:.2}:1; it needs {LEAST_CONTRAST}:1"
                    ),
                );
            }
        };
        let (on_ground, on_card, on_soft) =
            (("the background", ground), ("cards", ours.card), ("boxes", ours.soft));
        if let Some(background) = self.background {
            set("ground", background);
            if self.text.is_none() {
                check("background", ("our text", text), &[on_ground]);
            }
            if self.accent.is_none() {
                check("background", ("our accent", ours.accent), &[on_ground]);
            }
        }
        if let Some(text) = self.text {
            set("text", text);
            check("text", ("the text", text), &[on_ground, on_card, on_soft]);
            if self.accent.is_none() {
                check("text", ("the text", text), &[("tinted boxes", ours.tint)]);
            }
        }
        if self.text.is_some() || self.background.is_some() {
            set("quiet", quiet(&ours, text, self.text.is_some(), [ground, ours.card, ours.soft]));
        }
        if let Some(accent) = self.accent {
            let on_accent = if Colour::WHITE.is_read_on(accent) { Colour::WHITE } else { Colour::BLACK };
            let away = if on_accent == Colour::WHITE { Colour::BLACK } else { Colour::WHITE };
            check("accent", ("links in the accent", accent), &[on_card, on_ground]);
            set("accent", accent);
            set("accent-hover", accent.mixed(away, 18));
            set("on-accent", on_accent);
            set("tint", tint(accent, text, ours.card));
        }
        css
    }

    /// The accent for the dark, where only one for the light was chosen: as much lighter as it takes.
    pub(super) fn for_the_dark(accent: Colour, background: Option<Colour>) -> Colour {
        let grounds = [DARK.card, background.unwrap_or(DARK.ground)];
        let lighter = (0..=20).map(|step| accent.mixed(Colour::WHITE, step * 5));
        let mut good = lighter.filter(|accent| grounds.iter().all(|ground| accent.is_read_on(*ground)));
        good.next().unwrap_or(Colour::WHITE)
    }
}

/// Text that matters less: as pale as it may be.
fn quiet(ours: &Ours, text: Colour, is_chosen: bool, grounds: [Colour; 3]) -> Colour {
    let palest = if is_chosen { text.mixed(ours.card, 30) } else { ours.quiet };
    let shades = (0..=20).map(|step| palest.mixed(text, step * 5));
    let mut good = shades.filter(|shade| grounds.iter().all(|ground| shade.is_read_on(*ground)));
    good.next().unwrap_or(text)
}

/// A ground that hints at the accent: as much of it as both the accent and text can be read on.
fn tint(accent: Colour, text: Colour, card: Colour) -> Colour {
    let shades = (0..=7).rev().map(|step| card.mixed(accent, step * 2));
    let mut good = shades.filter(|shade| accent.is_read_on(*shade) && text.is_read_on(*shade));
    good.next().unwrap_or(card)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        Colour::parse(text).unwrap()
    }

    fn problems(chosen: Chosen, scheme: Scheme) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        chosen.variables(scheme, |key, text| problems.push((key, text)));
        problems
    }

    fn value(css: &str, name: &str) -> Colour {
        colour(css.split(&format!("--{name}:")).nth(1).unwrap().split(';').next().unwrap())
    }

    #[test]
    fn our_colours_are_those_of_the_stylesheet() {
        let css = include_str!("../../../assets/pages.css").replace(": ", ":");
        let (light, dark) = css.split_once("prefers-color-scheme:dark").unwrap();
        for (css, ours) in [(light, LIGHT), (dark, DARK)] {
            let Ours { accent, ground, card, soft, text, quiet, tint } = ours;
            for (name, ours) in [
                ("accent", accent),
                ("ground", ground),
                ("card", card),
                ("soft", soft),
                ("text", text),
                ("quiet", quiet),
                ("tint", tint),
            ] {
                assert_eq!(value(css, name), ours, "{name}");
            }
        }
    }

    #[test]
    fn a_pair_that_is_not_read_well_is_named_with_its_ratio() {
        let chosen = Chosen { accent: Some(colour("#ffee00")), ..Chosen::default() };
        let problems_of_yellow = problems(chosen, Scheme::Light);
        assert_eq!(problems_of_yellow.len(), 2, "{problems_of_yellow:?}");
        assert_eq!(
            problems_of_yellow[0],
            (
                "accent",
                "links in the accent #ffee00 on cards #ffffff has a contrast of 1.20:1; it needs 4.5:1"
                    .to_owned()
            )
        );
        assert!(problems(chosen, Scheme::Dark).is_empty());
        let chosen = Chosen { background: Some(colour("#808080")), ..Chosen::default() };
        let keys: Vec<_> = problems(chosen, Scheme::Light).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["background", "background"]);
        let chosen = Chosen { text: Some(colour("#777777")), ..Chosen::default() };
        assert_eq!(problems(chosen, Scheme::Light).len(), 4);
        assert!(problems(Chosen::default(), Scheme::Light).is_empty());
    }

    #[test]
    fn whatever_passes_leaves_every_pair_readable() {
        let steps = [0u8, 51, 102, 153, 204, 255];
        let all = || {
            steps.into_iter().flat_map(move |r| {
                steps.into_iter().flat_map(move |g| steps.into_iter().map(move |b| Colour([r, g, b])))
            })
        };
        let mut seen = 0;
        for (scheme, ours) in [(Scheme::Light, LIGHT), (Scheme::Dark, DARK)] {
            for accent in all() {
                for background in all().step_by(7) {
                    let chosen = Chosen { accent: Some(accent), background: Some(background), text: None };
                    let mut good = true;
                    let css = chosen.variables(scheme, |_, _| good = false);
                    if !good {
                        continue;
                    }
                    seen += 1;
                    let (accent, hover) = (value(&css, "accent"), value(&css, "accent-hover"));
                    let (on, tint, quiet) =
                        (value(&css, "on-accent"), value(&css, "tint"), value(&css, "quiet"));
                    for (text, ground) in [
                        (on, accent),
                        (on, hover),
                        (accent, tint),
                        (ours.text, tint),
                        (accent, ours.card),
                        (accent, background),
                        (quiet, background),
                        (quiet, ours.card),
                        (quiet, ours.soft),
                    ] {
                        assert!(text.is_read_on(ground), "{text} on {ground}: {css}");
                    }
                }
            }
        }
        assert!(seen > 500, "{seen}");
    }

    #[test]
    fn one_accent_is_enough_for_both_schemes() {
        for text in ["#8a1538", "#000080", "#000000", "#0f5f59"] {
            let dark = Chosen::for_the_dark(colour(text), None);
            let chosen = Chosen { accent: Some(dark), ..Chosen::default() };
            assert!(problems(chosen, Scheme::Dark).is_empty(), "{text} {dark}");
        }
    }
}
