//! What is wrong with a configuration, all of it at once, each with the place where it stands.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In the file, at these bytes.
    File(Range<usize>),
    /// By an environment variable.
    Environment(String),
    /// By a flag of the command line.
    Flag(&'static str),
    /// Nowhere: something is missing.
    Nowhere,
}

/// One mistake.
#[derive(Debug)]
struct Problem {
    place: Place,
    message: String,
    help: Option<String>,
}

/// Collects mistakes while a configuration is read, and which values may be quoted when they are shown.
#[derive(Debug, Default)]
pub(super) struct Problems {
    list: RefCell<Vec<Problem>>,
    quotable: RefCell<Vec<Range<usize>>>,
}

impl Problems {
    /// Notes a mistake. `help` says what to do about it.
    pub(super) fn add(&self, place: &Place, message: impl Into<String>, help: Option<String>) {
        let problem = Problem { place: place.clone(), message: message.into(), help };
        self.list.borrow_mut().push(problem);
    }

    /// Whether nothing was noted.
    pub(super) fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// Notes that the value at `place` is no secret.
    pub(super) fn may_quote(&self, place: &Place) {
        if let Place::File(span) = place {
            self.quotable.borrow_mut().push(span.clone());
        }
    }

    /// The values that may be quoted, by their bytes in the file.
    pub(super) fn quotable(&self) -> Vec<Range<usize>> {
        self.quotable.borrow().clone()
    }

    /// The report, in the order of the file. `file` is the file's path, and its text with secrets hidden.
    pub(super) fn into_report(self, file: Option<(PathBuf, String)>) -> Report {
        let mut problems = self.list.into_inner();
        problems.sort_by_key(|problem| match &problem.place {
            Place::File(span) => (0, span.start),
            Place::Environment(_) => (1, 0),
            Place::Flag(_) => (2, 0),
            Place::Nowhere => (3, 0),
        });
        Report { problems, file }
    }
}

/// Every mistake of a configuration, to be shown to the operator.
#[derive(Debug)]
pub(crate) struct Report {
    problems: Vec<Problem>,
    file: Option<(PathBuf, String)>,
}

impl Report {
    /// A report about a file that could not be read at all.
    pub(super) fn of_unreadable(path: &std::path::Path, cause: &std::io::Error) -> Self {
        let message = format!("the configuration file {} cannot be read: {cause}", path.display());
        let help = Some("name an existing TOML file with --config".to_owned());
        Self { problems: vec![Problem { place: Place::Nowhere, message, help }], file: None }
    }
}

impl std::error::Error for Report {}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map(|(path, text)| (path.display().to_string(), text.as_str()));
        let renderer = Renderer::plain();
        for problem in &self.problems {
            writeln!(f, "{}\n", renderer.render(&[problem.group(file.as_ref())]))?;
        }
        match self.problems.len() {
            1 => f.write_str("1 mistake in the configuration"),
            count => write!(f, "{count} mistakes in the configuration"),
        }
    }
}

impl Problem {
    fn group<'a>(&'a self, file: Option<&'a (String, &'a str)>) -> Group<'a> {
        if let (Place::File(span), Some((path, text))) = (&self.place, file) {
            let annotation = AnnotationKind::Primary.span(span.clone()).label(self.help.as_deref());
            let snippet = Snippet::source(*text).path(path).annotation(annotation);
            return Level::ERROR.primary_title(&self.message).element(snippet);
        }
        let title = match &self.place {
            Place::Environment(name) => format!("environment variable {name}: {}", self.message),
            Place::Flag(name) => format!("{name}: {}", self.message),
            Place::File(_) | Place::Nowhere => self.message.clone(),
        };
        let group = Group::with_title(Level::ERROR.primary_title(title));
        match &self.help {
            Some(help) => group.element(Level::HELP.message(help)),
            None => group,
        }
    }
}
