//! "Did you mean …?": the nearest known word.

/// The candidate that `word` was most likely meant to be; `None` when none is near.
///
/// Near is at most one slip (a letter too many, too few, wrong, or two swapped) for every three letters, and at least
/// one. Case does not count, and `-` is as good as `_`.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    let measured = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    measured.filter(|(slips, _)| *slips <= allowed).min_by_key(|(slips, _)| *slips).map(|(_, word)| word)
}

/// The number of slips between two words: Damerau and Levenshtein's distance, restricted to one edit per place.
fn distance(left: &str, right: &str) -> usize {
    let left = letters(left);
    let right = letters(right);
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
    for (row, letter) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let replaced = at(&last, column) + usize::from(letter != other);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let earlier = |index: usize| index.checked_sub(1);
            if let (Some(r), Some(c)) = (earlier(row), earlier(column))
                && left.get(r) == Some(other)
                && right.get(c) == Some(letter)
            {
                best = best.min(at(&before_last, c) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    at(&last, right.len())
}

fn letters(word: &str) -> Vec<char> {
    word.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_forgiven_and_another_word_is_not() {
        let known = ["upstream", "path", "public_url"];
        assert_eq!(nearest("upstrem", known), Some("upstream"));
        assert_eq!(nearest("Public-URL", known), Some("public_url"));
        assert_eq!(nearest("paht", known), Some("path"));
        assert_eq!(nearest("command", known), None);
    }

    #[test]
    fn two_swapped_letters_are_one_slip() {
        assert_eq!(distance("paht", "path"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
