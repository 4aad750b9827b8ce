//! The name under which the log lines of a request stand: a span that is opened with the first of them.
//!
//! Most requests say nothing at the usual level, and a span costs as much as all that is decided about a call. Where more is
//! logged than that, each request has its span from the start, so that the spans inside it stand in their order.

use std::cell::RefCell;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tracing::level_filters::LevelFilter;
use tracing::span::EnteredSpan;
use tracing::{Event, Span, Subscriber};
use tracing_subscriber::layer::{Context as Logging, Layer};

/// Runs what belongs to one request; `open` makes the span of its log lines, if there are any.
pub(crate) fn named<F: Future>(open: impl FnOnce() -> Span + Send + 'static, request: F) -> Named<F> {
    let mut name = Name::Unopened(Box::new(open));
    if LevelFilter::current() > LevelFilter::INFO {
        name = Name::Opened(name.opened());
    }
    Named { name, request }
}

pin_project! {
    /// A request with its name.
    pub(crate) struct Named<F> {
        name: Name,
        #[pin]
        request: F,
    }
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _during = During::enter(this.name);
        this.request.poll(cx)
    }
}

/// Opens the name of the request that this thread works at before anything is logged. Belongs around what writes the lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpensNames;

impl<S: Subscriber> Layer<S> for OpensNames {
    fn event_enabled(&self, _: &Event<'_>, _: Logging<'_, S>) -> bool {
        let current = CURRENT.take();
        CURRENT.set(match current {
            Some(Current::Unopened(open)) => Some(Current::Opened(open().entered())),
            current => current,
        });
        true
    }
}

type Open = Box<dyn FnOnce() -> Span + Send>;

/// The name of a request at which nobody works.
enum Name {
    Unopened(Open),
    Opened(Span),
}

impl Name {
    fn opened(self) -> Span {
        match self {
            Self::Unopened(open) => open(),
            Self::Opened(span) => span,
        }
    }
}

/// The name of the request at which this thread works.
enum Current {
    Unopened(Open),
    Opened(EnteredSpan),
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// Makes a name the current one until it is dropped.
struct During<'a> {
    name: &'a mut Name,
    outer: Option<Current>,
}

impl<'a> During<'a> {
    fn enter(name: &'a mut Name) -> Self {
        let current = match mem::replace(name, Name::Opened(Span::none())) {
            Name::Unopened(open) => Current::Unopened(open),
            Name::Opened(span) => Current::Opened(span.entered()),
        };
        Self { name, outer: CURRENT.replace(Some(current)) }
    }
}

impl Drop for During<'_> {
    fn drop(&mut self) {
        *self.name = match CURRENT.replace(self.outer.take()) {
            Some(Current::Unopened(open)) => Name::Unopened(open),
            Some(Current::Opened(entered)) => Name::Opened(entered.exit()),
            None => Name::Opened(Span::none()),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{info, info_span, subscriber};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::registry;
    use tracing_subscriber::registry::LookupSpan;

    use super::*;

    /// Notes each line with the names of its spans, and each span that is opened.
    #[derive(Clone, Default)]
    struct Noted(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Noted {
        fn on_new_span(
            &self,
            attributes: &tracing::span::Attributes<'_>,
            _: &tracing::Id,
            _: Logging<'_, S>,
        ) {
            self.0.lock().unwrap().push(format!("opens {}", attributes.metadata().name()));
        }

        fn on_event(&self, event: &Event<'_>, context: Logging<'_, S>) {
            let spans = context.event_scope(event).into_iter().flat_map(registry::Scope::from_root);
            let spans: Vec<_> = spans.map(|span| span.name()).collect();
            self.0.lock().unwrap().push(format!("line in {spans:?}"));
        }
    }

    #[test]
    fn the_first_line_opens_the_name_and_whoever_says_nothing_has_none() {
        let noted = Noted::default();
        // A subscriber of this thread alone is not asked again while it is being asked.
        let subscriber = registry().with(noted.clone()).with(LevelFilter::INFO).with(OpensNames);
        subscriber::set_global_default(subscriber).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(named(|| info_span!("silent"), tokio::task::yield_now()));
        runtime.block_on(named(|| info_span!("request"), async {
            tokio::task::yield_now().await;
            info!("one");
            let inner = named(|| info_span!("inner"), async { info!("two") });
            inner.await;
            tokio::task::yield_now().await;
            info!("three");
        }));
        info!("outside");
        let lines = [
            "opens request",
            r#"line in ["request"]"#,
            "opens inner",
            r#"line in ["request", "inner"]"#,
            r#"line in ["request"]"#,
            "line in []",
        ];
        assert_eq!(*noted.0.lock().unwrap(), lines);
    }
}
