//! The words of all pages: one table, one file per language.
//!
//! A new language is a file beside `english.rs` and a line in each `match` below. A table that lacks a text does not
//! compile. Texts with names in them are functions, so that each language orders them as it must; what they name stands in brackets
//! behind them. An operator may write any text otherwise (`said.rs`).

mod chinese;
mod choose;
mod english;
mod french;
mod german;
mod japanese;
#[macro_use]
mod said;
mod spanish;

use std::borrow::Cow;

use coatroom_protocol::words::Date;

pub(super) use self::said::Texts;
pub use self::said::text_names;

/// A language in which pages can be shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Language {
    /// English, also for everybody whose language is not here.
    #[default]
    English,
    /// German.
    German,
    /// French.
    French,
    /// Spanish.
    Spanish,
    /// Japanese.
    Japanese,
    /// Chinese in simplified characters.
    Chinese,
}

impl Language {
    /// Every language, the default first.
    pub const ALL: &[Self] =
        &[Self::English, Self::German, Self::French, Self::Spanish, Self::Japanese, Self::Chinese];

    /// The tag of the language (RFC 5646), as it stands in `lang`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Japanese => "ja",
            Self::Chinese => "zh-Hans",
        }
    }

    /// Its words, as they stand in our table.
    const fn words(self) -> &'static Words<'static> {
        match self {
            Self::English => &english::WORDS,
            Self::German => &german::WORDS,
            Self::French => &french::WORDS,
            Self::Spanish => &spanish::WORDS,
            Self::Japanese => &japanese::WORDS,
            Self::Chinese => &chinese::WORDS,
        }
    }
}

words! {
    /// Every word that a page can show, in one language.
    Words "" {
        /// What to call an app that gave itself no name.
        nameless,
        unverified,
        /// Names the site below each page.
        served_by(site),
        /// What the links below each page are called that an operator sets.
        terms,
        privacy,
        support,
    }
    others {
        lang: &'a str,
        /// The writing direction: `ltr` or `rtl`.
        dir: &'a str,
        consent: ConsentWords<'a>,
        connect: ConnectWords<'a>,
        hand_over: HandOverWords<'a>,
        error: ErrorWords<'a>,
        landing: LandingWords<'a>,
        account: AccountWords<'a>,
        local: LocalWords<'a>,
        mail: MailWords<'a>,
    }
}

words! {
    /// The words of the consent page.
    ConsentWords "consent_" {
        title(app, server),
        who,
        known_here,
        described_by,
        named_by_host(host),
        named_by_itself,
        gave_no_name,
        destination,
        to_website,
        to_this_computer,
        to_app(scheme),
        full_address,
        beware_computer,
        beware_only_computer(host),
        beware_app,
        beware_letters,
        purpose,
        uses_account(provider),
        permissions_at(provider),
        kept(app),
        may(app),
        no_scopes,
        may_untick,
        new,
        allowed_before,
        account,
        decide,
        continue_with(provider),
        continue_as(person, provider),
        other_account(provider),
        cancel,
        end_later,
        /// Names the page on which access is ended.
        your_connections,
    }
}

words! {
    /// The words of the pages on which a further account is connected.
    ConnectWords "connect_" {
        title(provider),
        purpose,
        needed,
        needs(provider),
        kept(app, server),
        signed_in_as(person),
        decide,
        sign_in_title,
        sign_in_why,
        sign_in_with(provider),
        other_title,
        other_happened(person),
        other_beware,
        other_next,
        other_account(provider),
        connected(provider),
        connected_then(app),
        cancelled,
        cancelled_then(provider, app),
    }
}

words! {
    /// The words of the hand-over page. The argument of each function is the app.
    HandOverWords "hand_over_" {
        allowed,
        cancelled,
        failed,
        allowed_then(app),
        cancelled_then(app),
        failed_then(app),
        return_to(app),
        cancelled_return_to(app),
        signing_in(provider),
        signing_in_then(provider),
        continue_to(provider),
        signed_in,
        signed_in_then,
        go_on,
        if_nothing_happens,
        close,
    }
}

words! {
    /// The words of the error page.
    ErrorWords "error_" {
        cause,
        next,
        return_to(receiver),
        for_developers,
        status,
        reference,
    }
    others {
        unknown_client: TroubleText,
        blocked_client: TroubleText,
        documents_off: TroubleText,
        document_unreachable: fn(&str) -> TroubleText,
        document_refused: fn(&str) -> TroubleText,
        document_host: fn(&str) -> TroubleText,
        documents_busy: TroubleText,
        unregistered_redirect: TroubleText,
        invalid_request: TroubleText,
        expired: TroubleText,
        link_expired: TroubleText,
        link_used: TroubleText,
        grant_ended: TroubleText,
        other_user: TroubleText,
        sign_in_failed: fn(&str) -> TroubleText,
        sign_in_refused: fn(&str) -> TroubleText,
        sign_in_cancelled: fn(&str) -> TroubleText,
        provider_unavailable: fn(&str) -> TroubleText,
        no_cookie: TroubleText,
        not_allowed: fn(&str, &str) -> TroubleText,
        unavailable: TroubleText,
        too_many_requests: TroubleText,
        not_found: TroubleText,
        wrong_method: TroubleText,
    }
}

words! {
    /// The words of the page at `/`.
    LandingWords "landing_" {
        title,
        what,
        how,
        servers,
        no_servers,
        your_connections,
    }
}

words! {
    /// The words of the page on which a person sees which apps may act for them.
    AccountWords "account_" {
        title,
        signed_in_as(person, provider),
        what,
        none,
        uses,
        answers_go_to,
        on_a_computer(host),
        on_a_device(scheme),
        may,
        no_scopes,
        connected,
        since,
        last_used,
        end(app),
        end_all,
        ended(provider),
        signed_out(provider),
        /// The same two of local accounts.
        ended_here,
        signed_out_here,
        sign_out,
        sign_in,
        sign_in_with(provider),
        /// Stands for the provider where there are several.
        where_you_sign_in,
    }
    others {
        /// A day, as people write it.
        date: fn(Date) -> String,
    }
}

words! {
    /// The words of the pages on which a person signs in with a local account.
    LocalWords "local_" {
        /// What the account is called: "Continue with …".
        label,
        title,
        email,
        password,
        new_password,
        repeat,
        name,
        code,
        enter,
        mail_code,
        forgot,
        sign_up,
        cancel,
        how_mail,
        forgot_without_mail,
        no_address,
        wrong,
        disabled,
        too_many[minutes],
        too_many_mails[minutes],
        mailed_title,
        sent_if_known(address),
        sent_if_new(address),
        stay_here,
        wrong_code,
        back,
        set_and_enter,
        make_account,
        password_hint[least],
        too_short[least],
        too_long[most],
        guessable,
        different,
        welcome_title,
        welcome,
        new_password_title,
        new_password_then,
        set_password,
        password_set,
        password_set_then,
    }
}

words! {
    /// The words of mails. The first argument of each function is the site; the second is the code or the link.
    MailWords "mail_" {
        code_subject(site),
        sign_in_code(site, code),
        reset_code(site, code),
        sign_up_code(site, code),
        has_account_subject(site),
        has_account(site),
        invitation_subject(site),
        invitation(site, link),
        reset_subject(site),
        reset_link(site, link),
    }
}

/// What an error page says about one kind of trouble.
#[derive(Debug, Clone)]
pub(super) struct TroubleText {
    pub(super) title: Cow<'static, str>,
    /// What happened.
    pub(super) happened: Cow<'static, str>,
    /// Whose fault it probably is.
    pub(super) cause: Cow<'static, str>,
    /// What to do next.
    pub(super) next: Cow<'static, str>,
}

impl TroubleText {
    /// What its parts are called.
    const PARTS: &'static [&'static str] = &["title", "happened", "cause", "next"];

    fn put(&mut self, part: &str, text: String) {
        let place = match part {
            "title" => &mut self.title,
            "happened" => &mut self.happened,
            "cause" => &mut self.cause,
            _ => &mut self.next,
        };
        *place = Cow::Owned(text);
    }
}

/// What an error page says where nothing is named.
const fn text(
    title: &'static str,
    happened: &'static str,
    cause: &'static str,
    next: &'static str,
) -> TroubleText {
    TroubleText {
        title: Cow::Borrowed(title),
        happened: Cow::Borrowed(happened),
        cause: Cow::Borrowed(cause),
        next: Cow::Borrowed(next),
    }
}

/// What an error page says where somebody or something is named.
fn told(title: String, happened: String, cause: String, next: &'static str) -> TroubleText {
    TroubleText { title: title.into(), happened: happened.into(), cause: cause.into(), next: next.into() }
}

/// A number and what it counts, in languages that tell one from several.
fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// The name of a date's month.
fn month<'a>(date: Date, names: &[&'a str; 12]) -> Option<&'a str> {
    let number = usize::try_from(date.month).ok()?;
    names.get(number.checked_sub(1)?).copied()
}
