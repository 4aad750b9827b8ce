//! Parameters of a query or form: what is accepted says the same to the parser of the URL standard.

use std::collections::BTreeMap;

use coatroom_protocol::words::Params;
use url::form_urlencoded;

/// Checks one query string.
#[must_use]
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(params) = Params::parse(text) else { return false };

    let mut standard: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        standard.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    for (name, values) in &standard {
        assert!(!name.contains('\0') && values.iter().all(|value| !value.contains('\0')));
        let full: Vec<&str> = values.iter().map(String::as_str).filter(|value| !value.is_empty()).collect();
        assert_eq!(params.many(name).collect::<Vec<_>>(), full, "{name}");
        match params.one(name) {
            Ok(one) => assert!(values.len() == 1 && one == full.first().copied(), "{name}"),
            Err(_) => assert!(values.len() > 1, "{name} is not repeated"),
        }
        assert!(!format!("{params:?}").is_empty());
    }
    let repeats = standard.iter().any(|(name, values)| name != "resource" && values.len() > 1);
    assert_eq!(params.check_repeats().is_err(), repeats);
    true
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_and_mutations_of_it_hold() {
        crate::engine::run("params", super::check, 4_000);
    }
}
