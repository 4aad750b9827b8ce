//! Reads spans of time, sizes, rates and origins as people write them.

use std::time::Duration;

use coatroom::settings::Rate;
use url::Url;

/// Reads `500ms`, `60 s`, `10 min`, `1h`, `30d`, or a bare number of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = number_and_unit(text).ok_or_else(|| not_a_duration(text))?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "" | "s" | "sec" => 1000,
        "m" | "min" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return Err(not_a_duration(text)),
    };
    let total = number.checked_mul(milliseconds).ok_or_else(|| not_a_duration(text))?;
    Ok(Duration::from_millis(total))
}

/// Reads `64 KiB`, `4MiB`, or a bare number of bytes.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let refusal = || format!("`{text}` is not a size such as \"64 KiB\" or \"4 MiB\"");
    let (number, unit) = number_and_unit(text).ok_or_else(refusal)?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        "GiB" => 1024 * 1024 * 1024,
        _ => return Err(refusal()),
    };
    let bytes = number.checked_mul(factor).and_then(|bytes| usize::try_from(bytes).ok());
    bytes.ok_or_else(refusal)
}

/// Reads `60/min` or `10/15min`; `off` is `None`.
pub(super) fn rate(text: &str) -> Result<Option<Rate>, String> {
    if text == "off" {
        return Ok(None);
    }
    let refusal = || format!("`{text}` is not a rate such as \"60/min\", \"10/15min\" or \"off\"");
    let (count, span) = text.split_once('/').ok_or_else(refusal)?;
    let count: u32 = count.trim().parse().map_err(|_| refusal())?;
    let span = Some(span.trim()).filter(|span| !span.is_empty()).ok_or_else(refusal)?;
    let span =
        if span.starts_with(|c: char| c.is_ascii_digit()) { span.to_owned() } else { format!("1{span}") };
    let per = duration(&span).map_err(|_| refusal())?;
    if count == 0 || per.is_zero() {
        return Err(refusal());
    }
    Ok(Some(Rate { count, per }))
}

/// Reads a web origin as browsers send it: scheme, host and port, nothing else. `*` is all of them.
pub(super) fn origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let origin = url.map(|url| url.origin().ascii_serialization());
    match origin {
        Some(origin) if origin == text.trim_end_matches('/') => Ok(origin),
        Some(origin) => Err(format!("`{text}` is more than an origin; write \"{origin}\"")),
        None => Err(format!("`{text}` is not an origin such as \"https://app.example.com\"")),
    }
}

/// Reads `true` or `false`.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("`{text}` is neither true nor false"))
}

fn not_a_duration(text: &str) -> String {
    format!("`{text}` is not a span of time such as \"60s\", \"10 min\", \"1h\" or \"30d\"")
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, milliseconds) in
            [("500ms", 500), ("60", 60_000), ("10 min", 600_000), ("1h", 3_600_000), ("30d", 2_592_000_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for bad in ["", "s", "-1s", "1.5h", "1 week", "99999999999999999999s", "18446744073709551615d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(size("64 KiB"), Ok(65_536));
        assert_eq!(size("4MiB"), Ok(4_194_304));
        assert_eq!(size("12"), Ok(12));
        assert!(size("4 MB").is_err());
    }

    #[test]
    fn a_rate_is_a_count_within_a_span() {
        let per = Duration::from_mins(15);
        assert_eq!(rate("10/15min"), Ok(Some(Rate { count: 10, per })));
        assert_eq!(rate("60/min"), Ok(Some(Rate { count: 60, per: Duration::from_mins(1) })));
        assert_eq!(rate("off"), Ok(None));
        for bad in ["60", "0/min", "60/0s", "x/min", "60/"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_no_url_with_a_path() {
        assert_eq!(origin("https://app.example.com").as_deref(), Ok("https://app.example.com"));
        assert_eq!(origin("*").as_deref(), Ok("*"));
        for bad in ["null", "app.example.com", "https://app.example.com/x", "file:///x"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
