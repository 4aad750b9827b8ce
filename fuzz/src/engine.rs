//! The engine of the tests: replays a corpus, then mutations of it, in an order that a seed fixes.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

/// A target: panics when a promise is broken, and says whether the input was accepted.
pub type Target = fn(&[u8]) -> bool;

/// One file of a corpus.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The name of its file.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// Replays the corpus of a target and then `runs` mutations of it for each unit of `COATROOM_SOAK`, which is 5 by default.
///
/// # Panics
/// When the corpus is missing, says something else than the target does, or an input breaks a promise.
pub fn run(name: &str, target: Target, runs: u64) {
    let seeds = corpus(name);
    for seed in &seeds {
        let accepted = watched(name, target, &seed.bytes);
        let expected = ["good-", "bad-"].iter().position(|prefix| seed.name.starts_with(prefix));
        assert!(
            expected.is_none_or(|refused| accepted == (refused == 0)),
            "{name}/{}: accepted is {accepted}",
            seed.name
        );
    }
    for prefix in ["good-", "bad-"] {
        assert!(seeds.iter().any(|seed| seed.name.starts_with(prefix)), "{name} has no seed {prefix}*");
    }
    let mut dice = Dice::new(name);
    for _ in 0..runs * soak() {
        watched(name, target, &mutated(&seeds, &mut dice));
    }
}

/// The seeds of a target, by name.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn corpus(name: &str) -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file of the corpus").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    let read = |file: PathBuf| Seed {
        name: file.file_name().expect("a name").to_string_lossy().into_owned(),
        bytes: fs::read(&file).expect("a file of the corpus"),
    };
    files.into_iter().map(read).collect()
}

/// Runs the target; an input that breaks it is shown, to be kept in the corpus.
fn watched(name: &str, target: Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(input))).unwrap_or_else(|broken| {
        eprintln!("{name} breaks on {} bytes: b\"{}\"", input.len(), input.escape_ascii());
        resume_unwind(broken)
    })
}

fn soak() -> u64 {
    let Some(value) = std::env::var_os("COATROOM_SOAK") else { return 5 };
    value.to_str().and_then(|value| value.parse().ok()).expect("COATROOM_SOAK is a number")
}

/// A seed of the corpus after one to eight small changes.
fn mutated(seeds: &[Seed], dice: &mut Dice) -> Vec<u8> {
    let any = |dice: &mut Dice| seeds[dice.below(seeds.len())].bytes.clone();
    let mut input = any(dice);
    for _ in 0..=dice.below(8) {
        change(&mut input, dice, any);
    }
    input.truncate(LONGEST);
    input
}

fn change(input: &mut Vec<u8>, dice: &mut Dice, any: impl Fn(&mut Dice) -> Vec<u8>) {
    let at = dice.below(input.len() + 1);
    let end = (at + dice.below(16)).min(input.len());
    match dice.below(8) {
        0 if at < input.len() => input[at] ^= 1 << dice.below(8),
        1 if at < input.len() => input[at] = SPECIAL[dice.below(SPECIAL.len())],
        2 => input.insert(at, SPECIAL[dice.below(SPECIAL.len())]),
        3 => drop(input.drain(at..end)),
        4 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        5 => {
            let word = WORDS[dice.below(WORDS.len())];
            input.splice(at..end, word.bytes());
        }
        6 => {
            let other = any(dice);
            let from = dice.below(other.len() + 1);
            let to = (from + dice.below(64)).min(other.len());
            input.splice(at..at, other[from..to].iter().copied());
        }
        _ => {
            let other = any(dice);
            let from = dice.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
}

/// Numbers that look random and are the same in each run (splitmix64).
struct Dice(u64);

impl Dice {
    fn new(name: &str) -> Self {
        Self(name.bytes().fold(0x00C0_A720, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into())))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).expect("a small number");
        usize::try_from(self.next() % limit).expect("below a small number")
    }
}

const LONGEST: usize = 8 * 1024;

/// Bytes that parsers treat in ways of their own.
const SPECIAL: &[u8] = b"\0\t\n\r \"#%&'*+,-./0:;<=>?@[\\]^_`{|}~aAzZ\x7f\x80\xc0\xef\xff";

/// Words of the formats that are fuzzed.
const WORDS: &[&str] = &[
    "null",
    "true",
    "1e999",
    "-0",
    "1.0",
    "\\u0000",
    "\\u0065",
    "\\ud800",
    "\"\":0,",
    "\u{feff}",
    "\u{17f}",
    "\u{212a}",
    "{}",
    "[]",
    "{\"",
    "\"}",
    "\":\"",
    "\",\"",
    "method",
    "Method",
    "params",
    "name",
    "_meta",
    "id",
    "jsonrpc",
    "uri",
    "ref",
    "%00",
    "%2e",
    "%ff",
    "%",
    "+",
    "&",
    "=",
    "resource=",
    "..",
    "/./",
    "//",
    "\\",
    "@",
    ":0",
    ":080",
    "[::1]",
    "localhost",
    "127.0.0.1",
    "0x7f.1",
    "javascript:",
    "data:",
    "http:",
    "https://",
    "cursor:",
    "web",
    "native",
    "none",
    "client_secret_basic",
    "implicit",
    "redirect_uris",
    "\u{202e}",
    "*",
    "**",
];
