use super::Language;

impl Language {
    /// The language for a person: the first of `ui_locales` that exists here (OpenID Connect Core §3.1.2.1), else the
    /// best of `Accept-Language` (RFC 9110 §12.5.4), else the default.
    ///
    /// A tag matches by its primary language: `en-GB` is English, `de-AT` German. Chinese in traditional characters (`zh-Hant`,
    /// `zh-TW`) gets the simplified ones, which its readers understand better than English; browsers that would rather have
    /// another language say so by their order.
    #[must_use]
    pub fn choose(ui_locales: Option<&str>, accept_language: Option<&str>) -> Self {
        let asked = ui_locales.unwrap_or_default().split_ascii_whitespace();
        let accepted = by_preference(accept_language.unwrap_or_default());
        asked.chain(accepted).find_map(Self::find).unwrap_or_default()
    }

    fn find(tag: &str) -> Option<Self> {
        let is_it = |language: &Self| primary_of(language.tag()).eq_ignore_ascii_case(primary_of(tag));
        Self::ALL.iter().copied().find(is_it)
    }
}

/// The language of a tag, without script and region. Some software parts them by `_`.
fn primary_of(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or(tag)
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
        for (asked, accepted, chosen) in [
            ("xx en-GB", "de", Language::English),
            ("fr de", "de", Language::French),
            ("de-CH-1996 fr", "ja", Language::German),
            ("xx yy", "es-419, en;q=0.5", Language::Spanish),
            ("", "zh-CN", Language::Chinese),
        ] {
            assert_eq!(Language::choose(Some(asked), Some(accepted)), chosen, "{asked:?} {accepted:?}");
        }
    }

    #[test]
    fn a_tag_matches_by_its_language_whatever_script_and_region_it_has() {
        for (tags, language) in [
            (&["en", "en-GB", "EN_us"][..], Language::English),
            (&["de", "de-AT", "de-CH", "DE-Latn-DE"], Language::German),
            (&["fr", "fr-CA", "fr_BE"], Language::French),
            (&["es", "es-419", "es-MX"], Language::Spanish),
            (&["ja", "ja-JP"], Language::Japanese),
            (&["zh", "zh-CN", "zh-SG", "zh-Hans-CN", "zh_CN"], Language::Chinese),
            (&["zh-TW", "zh-HK", "zh-Hant", "zh-Hant-TW"], Language::Chinese),
        ] {
            for tag in tags {
                assert_eq!(Language::find(tag), Some(language), "{tag}");
            }
        }
        for tag in ["enx", "deu", "gsw", "yue-HK", "e", "", "-", "*"] {
            assert_eq!(Language::find(tag), None, "{tag:?}");
        }
    }

    #[test]
    fn the_best_that_a_browser_takes_is_chosen() {
        for (accepted, chosen) in [
            ("de;q=0.3, fr;q=0.9, en;q=0.5", Language::French),
            ("nl, de;q=0.8, en;q=0.7", Language::German),
            ("zh-TW, zh;q=0.9, en;q=0.8", Language::Chinese),
            ("de;q=0, en;q=0.1", Language::English),
            ("sv, *;q=0.5", Language::English),
            ("ja,en-US;q=0.9,en;q=0.8", Language::Japanese),
        ] {
            assert_eq!(Language::choose(None, Some(accepted)), chosen, "{accepted:?}");
        }
    }

    #[test]
    fn an_unknown_language_gets_the_default() {
        assert_eq!(Language::choose(Some("tlh"), Some("qya;q=0.5")), Language::English);
        assert_eq!(Language::choose(None, None), Language::English);
    }

    #[test]
    fn each_table_is_filed_under_its_own_tag() {
        for &language in Language::ALL {
            assert_eq!(language.words().lang, language.tag());
        }
    }
}
