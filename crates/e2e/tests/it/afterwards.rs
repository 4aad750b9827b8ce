//! The test after all others: no secret that any of them saw is in anything that the program said to any of them.
//!
//! `crates/e2e/nextest.toml` leaves it out of ordinary runs; `scripts/test` runs it alone, when the others are done.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use coatroom_e2e::evidence::{FOLDER, LOG, REFUSALS, SECRETS, SHORTEST};

/// Tokens of ours and of the providers of these tests start like this, and JSON Web Tokens do. What follows is long.
const PREFIXES: &[&str] = &[
    "coat_at_",
    "coat_rt_",
    "coat_ac_",
    "coat_cs_",
    "gho_",
    "ghr_",
    "demo_code_",
    "demo_at_",
    "demo_rt_",
    "demo_browser_",
    "eyJ",
    "Bearer ",
    "Basic ",
];
/// This many characters of a token after its prefix are no accident.
const LONG: usize = 20;
/// Addresses of people do not belong in logs either.
const ADDRESSES: &[&str] = &["alice@example.com", "bob@example.com"];

#[test]
fn no_secret_of_any_test_is_in_any_log_or_refusal() {
    let evidence = Evidence::read();
    evidence.is_enough();
    let mut found = Vec::new();
    found.extend(look(&evidence.logs, &evidence.all_secrets()));
    found.extend(look(&evidence.refusals, &evidence.credentials));
    for (test, text) in &evidence.logs {
        found.extend(
            ADDRESSES
                .iter()
                .filter(|address| text.contains(**address))
                .map(|address| format!("{address} in {test}")),
        );
    }
    for (test, text) in evidence.logs.iter().chain(&evidence.refusals) {
        found.extend(tokens(text).iter().map(|token| format!("a token in {test}: {token}")));
    }
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{} secrets were said:\n{}", found.len(), found.join("\n"));
}

/// The check itself: a test that looks for nothing finds nothing.
#[test]
fn every_spelling_of_a_secret_is_found() {
    let secret = "coat-secret/with+signs=and\"quotes\"";
    let secrets = [secret.to_owned()];
    let said = |text: String| !look(&[("test".to_owned(), text)], &secrets).is_empty();
    assert!(said(format!("token={secret};")));
    assert!(said(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect()));
    assert!(said(serde_json::json!({ "token": secret }).to_string()));
    assert!(said(format!("{:?}", secret.as_bytes())));
    for before in ["", "a", "ab", "abc", "user:"] {
        for engine in [&STANDARD, &URL_SAFE] {
            assert!(said(format!("Basic {}", engine.encode(format!("{before}{secret}:after")))), "{before}");
        }
    }
    assert!(!said("coat-secret/with+other=signs".to_owned()));
    for before in ["", "a ", "token=", "\"", "%3D", "\\n", ":"] {
        assert_eq!(tokens(&format!("{before}gho_7Zq0vS3yB5kQhWmTnR1x")).len(), 1, "{before}");
    }
    assert!(tokens("k2Fgho_7Zq0vS3yB5kQhWmTnR1x").is_empty(), "the middle of something else");
    for token in [
        "coat_at_7Zq0vS3yB5kQhWmTnR1x",
        "Bearer 7Zq0vS3yB5kQhWmTnR1x",
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.x",
    ] {
        assert_eq!(tokens(&format!("a {token} b")).len(), 1, "{token}");
    }
    for harmless in
        ["coat_at_nonsense", "Bearer resource_metadata=\"https://h.example/.well-known/x\"", "eyJ"]
    {
        assert!(tokens(harmless).is_empty(), "{harmless}");
    }
}

/// What all tests left behind.
struct Evidence {
    /// Test and text, of the tests that started a program.
    logs: Vec<(String, String)>,
    refusals: Vec<(String, String)>,
    credentials: Vec<String>,
    carried: Vec<String>,
}

impl Evidence {
    fn read() -> Self {
        let folder =
            std::env::var_os(FOLDER).unwrap_or_else(|| panic!("{FOLDER} is not set: run scripts/test"));
        let mut evidence =
            Self { logs: Vec::new(), refusals: Vec::new(), credentials: Vec::new(), carried: Vec::new() };
        let mut folders: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", Path::new(&folder).display()))
            .map(|entry| entry.expect("a folder").path())
            .collect();
        folders.sort();
        for folder in folders {
            let test = fs::read_to_string(folder.join("test.txt")).expect("the name of the test");
            let text = |file: &str| {
                fs::read(folder.join(file)).ok().map(|text| String::from_utf8_lossy(&text).into_owned())
            };
            evidence.logs.extend(text(LOG).map(|log| (test.clone(), log)));
            evidence.refusals.extend(text(REFUSALS).map(|refusals| (test.clone(), refusals)));
            for line in text(SECRETS).unwrap_or_default().lines() {
                match line.split_once('\t').expect("a kind and a secret") {
                    ("credential", secret) => evidence.credentials.push(secret.to_owned()),
                    (_, secret) => evidence.carried.push(secret.to_owned()),
                }
            }
        }
        for secrets in [&mut evidence.credentials, &mut evidence.carried] {
            secrets.sort();
            secrets.dedup();
        }
        evidence
    }

    /// Nothing is found where nothing is kept.
    fn is_enough(&self) {
        for (test, log) in &self.logs {
            assert!(!log.is_empty(), "{test} started a program that said nothing");
        }
        let bytes = |texts: &[(String, String)]| texts.iter().map(|(_, text)| text.len()).sum::<usize>();
        println!(
            "{} logs with {} KiB, {} KiB of refusals, {} credentials, {} carried secrets",
            self.logs.len(),
            bytes(&self.logs) / 1024,
            bytes(&self.refusals) / 1024,
            self.credentials.len(),
            self.carried.len()
        );
        assert!(self.logs.len() >= 40, "only {} tests left a log: did all of them run?", self.logs.len());
        assert!(self.refusals.len() >= 15, "only {} tests met a refusal", self.refusals.len());
        assert!(self.credentials.len() >= 500, "only {} credentials were seen", self.credentials.len());
        let mut kinds = BTreeMap::new();
        for prefix in ["coat_at_", "coat_rt_", "coat_ac_", "coat_cs_", "gho_", "ghr_", "demo_code_"] {
            kinds.insert(prefix, self.credentials.iter().filter(|secret| secret.starts_with(prefix)).count());
        }
        assert!(kinds.values().all(|seen| *seen > 0), "a kind of secret was never seen: {kinds:?}");
        assert!(self.carried.len() >= 50, "only {} states and flows were seen", self.carried.len());
    }

    fn all_secrets(&self) -> Vec<String> {
        self.credentials.iter().chain(&self.carried).cloned().collect()
    }
}

/// Names every secret that is in a text, whichever way it is written, without saying it.
fn look(texts: &[(String, String)], secrets: &[String]) -> Vec<String> {
    let spelled: Vec<(usize, String)> = secrets
        .iter()
        .enumerate()
        .flat_map(|(number, secret)| spellings(secret).into_iter().map(move |spelling| (number, spelling)))
        .collect();
    let all = AhoCorasick::new(spelled.iter().map(|(_, spelling)| spelling)).expect("patterns");
    let mut found = Vec::new();
    for (test, text) in texts {
        for hit in all.find_overlapping_iter(text) {
            let secret = &secrets[spelled[hit.pattern().as_usize()].0];
            let kind: String = secret.chars().take(8).collect();
            found.push(format!("{kind}… ({} characters) in {test}", secret.len()));
        }
    }
    found
}

/// A secret as it is, in an address, in JSON, in base64 at each of the three places where it can begin, in hexadecimal, and as
/// a list of bytes.
fn spellings(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let json = serde_json::json!(secret).to_string();
    let mut spellings = vec![
        secret.to_owned(),
        url::form_urlencoded::byte_serialize(bytes).collect(),
        json.trim_matches('"').to_owned(),
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        bytes.iter().take(SHORTEST).map(u8::to_string).collect::<Vec<_>>().join(", "),
    ];
    for skipped in 0..3 {
        // Characters that also say something of what stands before or after the secret are left out.
        let inside = &bytes[skipped..];
        let inside = &inside[..inside.len() / 3 * 3];
        spellings.extend([STANDARD.encode(inside), URL_SAFE.encode(inside)]);
    }
    spellings.sort();
    spellings.dedup();
    spellings
}

/// Everything in a text that looks like a token: what stands before it, and its prefix.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for prefix in PREFIXES {
        let is_token = |at: usize| {
            let after = &text[at + prefix.len()..];
            let end = after
                .find(|c: char| !c.is_ascii_alphanumeric() && !"_-.+/".contains(c))
                .unwrap_or(after.len());
            end >= LONG && begins(&text[..at]) && (*prefix != "eyJ" || after[..end].contains(".eyJ"))
        };
        let places = text.match_indices(prefix).map(|(at, _)| at).filter(|at| is_token(*at));
        found.extend(places.map(|at| {
            let before: Vec<char> = text[..at].chars().rev().take(60).collect();
            format!("{}{prefix}…", before.into_iter().rev().collect::<String>())
        }));
    }
    found
}

/// Whether a word begins after this text. Random letters in the middle of one spell a short prefix now and then; a character may
/// be escaped (`%3D`, `\n`).
fn begins(before: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let escaped = |marker: char, length: usize| before.chars().rev().nth(length) == Some(marker);
    !before.ends_with(word) || escaped('%', 2) || escaped('\\', 1)
}
