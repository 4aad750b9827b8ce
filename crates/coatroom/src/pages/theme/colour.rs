//! Colours, and how well one is read on another.

use std::fmt;

/// An opaque colour: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub(super) [u8; 3]);

impl Colour {
    pub(super) const BLACK: Self = Self([0, 0, 0]);
    pub(super) const WHITE: Self = Self([255, 255, 255]);

    /// Reads `#0f5f59`, and nothing else that CSS would take.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6)?;
        let digits: Option<Vec<u8>> =
            hex.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let digits = digits?;
        let mut channels = [0; 3];
        for (channel, pair) in channels.iter_mut().zip(digits.chunks_exact(2)) {
            *channel = pair.iter().fold(0, |value, digit| value * 16 + digit);
        }
        Some(Self(channels))
    }

    /// This colour with `percent` of another in it.
    pub(super) fn mixed(self, other: Self, percent: u8) -> Self {
        let share = u32::from(percent.min(100));
        let mut mixed = self.0;
        for (channel, other) in mixed.iter_mut().zip(other.0) {
            let sum = u32::from(*channel) * (100 - share) + u32::from(other) * share + 50;
            *channel = u8::try_from(sum / 100).unwrap_or(u8::MAX);
        }
        Self(mixed)
    }

    /// The contrast of two colours: 1 for the same, 21 for black and white (WCAG 2.2, "contrast ratio").
    pub(super) fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Whether text of this colour is read well on another (WCAG 2.2, 1.4.3, AA).
    pub(super) fn is_read_on(self, ground: Self) -> bool {
        self.contrast(ground) >= LEAST_CONTRAST
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126f64.mul_add(red, 0.7152f64.mul_add(green, 0.0722 * blue))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// What text of normal size needs.
pub(super) const LEAST_CONTRAST: f64 = 4.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_six_digits_and_nothing_else() {
        for text in ["#0f5f59", "#0F5F59"] {
            assert_eq!(Colour::parse(text), Some(Colour([0x0f, 0x5f, 0x59])), "{text}");
        }
        for bad in ["", "#", "#fff", "0f5f59", "#0f5f590", "#0f5f5g", "red", "#0f5f59;", "#é345", "#+12345"]
        {
            assert_eq!(Colour::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn contrast_is_that_of_the_norm() {
        let ratio = |a: &str, b: &str| Colour::parse(a).unwrap().contrast(Colour::parse(b).unwrap());
        assert!((ratio("#000000", "#ffffff") - 21.0).abs() < 0.001);
        assert!((ratio("#777777", "#ffffff") - 4.478).abs() < 0.001);
        assert!((ratio("#ffffff", "#767676") - 4.542).abs() < 0.001);
    }

    #[test]
    fn a_mixture_lies_between_its_colours() {
        assert_eq!(Colour::BLACK.mixed(Colour::WHITE, 50), Colour([128, 128, 128]));
        assert_eq!(Colour::BLACK.mixed(Colour::WHITE, 0), Colour::BLACK);
        assert_eq!(Colour::BLACK.mixed(Colour::WHITE, 200), Colour::WHITE);
    }
}
