//! `[providers.NAME.allow]` and `[issuers.NAME.allow]`: who may enter.
//!
//! Whatever is overlooked here opens a door, so that nothing is: neither a list or variable without entries, nor a variable that is
//! called almost as one of these.

use std::convert::Infallible;

use coatroom::allowlist::{Allowlist, List};

use super::environment::variable;
use super::reader::Section;

/// Reads the lists that `reads` lets through; the others are somebody else's to refuse.
pub(super) fn read_allow(section: &Section<'_>, reads: impl Fn(List) -> bool) -> Allowlist {
    let table = section.section("allow");
    let names: Vec<&str> = List::ALL.iter().map(|list| list.as_str()).collect();
    table.only(&names);
    table.refuse_unclear_variables(&names);
    let mut allow = Allowlist::default();
    for list in List::ALL.iter().copied().filter(|list| reads(*list)) {
        let Some(place) = table.place(list.as_str()) else { continue };
        let entries = table.list(list.as_str(), |text| Ok::<_, Infallible>(text.to_owned()));
        let Some(entries) = entries else { continue };
        let setting = list.setting();
        if entries.is_empty() {
            let help = "leave it out to let everybody in".to_owned();
            section.refuse(&place, format!("`{setting}` names nobody"), Some(help));
        }
        for entry in &entries {
            if let Err(refusal) = list.entry(&entry.value) {
                section.refuse(&entry.place, format!("`{setting}` {refusal}"), None);
            }
        }
        // What is not good was noted above.
        if let Ok(with) = allow.clone().with(list, entries.iter().map(|entry| &entry.value)) {
            allow = with;
        }
    }
    allow
}

/// Whether a variable is called like one that says who may enter somewhere.
pub(super) fn is_allowlist(name: &str) -> bool {
    List::ALL.iter().any(|list| name.ends_with(&variable("_ALLOW", list.as_str())))
}

#[cfg(test)]
mod tests;
