use super::Language;

impl Language {
    /// The language for a person: the first of `ui_locales` that exists here (OpenID Connect Core §3.1.2.1), else the
    /// best of `Accept-Language` (RFC 9110 §12.5.4), else the default.
    ///
    /// A tag matches by its primary language: `en-GB` is English.
    #[must_use]
    pub fn choose(ui_locales: Option<&str>, accept_language: Option<&str>) -> Self {
        let asked = ui_locales.unwrap_or_default().split_ascii_whitespace();
        let accepted = by_preference(accept_language.unwrap_or_default());
        let [default, ..] = Self::ALL;
        asked.chain(accepted).find_map(Self::find).unwrap_or(default)
    }

    fn find(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or(tag);
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }
}

/// The tags of an `Accept-Language` header, best first; unwanted (`q=0`) and unreadable ones are left out.
fn by_preference(header: &str) -> impl Iterator<Item = &str> {
    let mut tags: Vec<(u16, &str)> = header.split(',').take(MAX_TAGS).filter_map(weighted).collect();
    tags.sort_by_key(|&(weight, _)| std::cmp::Reverse(weight));
    tags.into_iter().map(|(_, tag)| tag)
}

/// One tag and its weight in thousandths.
fn weighted(item: &str) -> Option<(u16, &str)> {
    let (tag, weight) = match item.split_once(';') {
        None => (item, 1000),
        Some((tag, parameter)) => (tag, thousandths(parameter.trim().strip_prefix("q=")?)?),
    };
    let tag = tag.trim();
    (weight > 0 && !tag.is_empty() && tag != "*").then_some((weight, tag))
}

/// Reads a weight: `0` or `1` with at most three decimals (RFC 9110 §12.4.2).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let weight = format!("{whole}{decimals:0<3}").parse().ok()?;
    (weight <= 1000).then_some(weight)
}

/// Real headers have fewer than ten; more would only cost time.
const MAX_TAGS: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(header: &str) -> Vec<&str> {
        by_preference(header).collect()
    }

    #[test]
    fn a_browsers_list_is_read_by_weight() {
        assert_eq!(tags("fr;q=0.7, de-DE,en;q=0.85,*;q=0.1"), ["de-DE", "en", "fr"]);
    }

    #[test]
    fn equal_weights_keep_their_order() {
        assert_eq!(tags("da, nb;q=1.0, sv;q=1"), ["da", "nb", "sv"]);
    }

    #[test]
    fn unwanted_and_unreadable_tags_are_left_out() {
        assert_eq!(tags("en;q=0, de;q=2, fr;q=0.1234, it;q=x, ,es;level=1"), Vec::<&str>::new());
    }

    #[test]
    fn what_the_app_asks_for_comes_before_what_the_browser_sends() {
        assert_eq!(Language::choose(Some("xx en-GB"), Some("de")), Language::English);
        assert_eq!(Language::find("en-GB"), Some(Language::English));
        assert_eq!(Language::find("enx"), None);
    }

    #[test]
    fn an_unknown_language_gets_the_default() {
        assert_eq!(Language::choose(Some("tlh"), Some("qya;q=0.5")), Language::English);
        assert_eq!(Language::choose(None, None), Language::English);
    }

    #[test]
    fn each_table_is_filed_under_its_own_tag() {
        for language in Language::ALL {
            assert_eq!(language.words().lang, language.tag());
        }
    }
}
