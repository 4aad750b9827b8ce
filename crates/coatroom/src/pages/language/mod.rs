//! The words of all pages: one table, one file per language.
//!
//! A new language is a file beside `english.rs` and a line in each `match` below. A table that lacks a text does not
//! compile. Texts with names in them are functions, so that each language orders them as it must.

mod chinese;
mod choose;
mod english;
mod french;
mod german;
mod japanese;
mod spanish;

use std::borrow::Cow;

use coatroom_protocol::words::Date;

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

    /// What a local account is called on a button: "Continue with …".
    #[must_use]
    pub const fn local_accounts(self) -> &'static str {
        self.words().local.label
    }

    /// Its words.
    pub(super) const fn words(self) -> &'static Words {
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

/// Every word that a page can show, in one language.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) lang: &'static str,
    /// The writing direction: `ltr` or `rtl`.
    pub(super) dir: &'static str,
    /// What to call an app that gave itself no name.
    pub(super) nameless: &'static str,
    pub(super) unverified: &'static str,
    /// Names the site below each page. Argument: host and port.
    pub(super) served_by: fn(&str) -> String,
    pub(super) consent: ConsentWords,
    pub(super) connect: ConnectWords,
    pub(super) hand_over: HandOverWords,
    pub(super) error: ErrorWords,
    pub(super) landing: LandingWords,
    pub(super) account: AccountWords,
    pub(super) local: LocalWords,
    pub(super) mail: MailWords,
}

/// The words of the consent page.
#[derive(Debug)]
pub(super) struct ConsentWords {
    /// Arguments: app, server.
    pub(super) title: fn(&str, &str) -> String,
    pub(super) who: &'static str,
    pub(super) known_here: &'static str,
    pub(super) described_by: &'static str,
    /// Argument: host of the app's document.
    pub(super) named_by_host: fn(&str) -> String,
    pub(super) named_by_itself: &'static str,
    pub(super) gave_no_name: &'static str,
    pub(super) destination: &'static str,
    pub(super) to_website: &'static str,
    pub(super) to_this_computer: &'static str,
    /// Argument: scheme.
    pub(super) to_app: fn(&str) -> String,
    pub(super) full_address: &'static str,
    pub(super) beware_computer: &'static str,
    /// Argument: host of the app's document.
    pub(super) beware_only_computer: fn(&str) -> String,
    pub(super) beware_app: &'static str,
    pub(super) beware_letters: &'static str,
    pub(super) purpose: &'static str,
    /// Argument: provider.
    pub(super) uses_account: fn(&str) -> String,
    /// Argument: provider.
    pub(super) permissions_at: fn(&str) -> String,
    /// Argument: app.
    pub(super) kept: fn(&str) -> String,
    /// Argument: app.
    pub(super) may: fn(&str) -> String,
    pub(super) no_scopes: &'static str,
    pub(super) may_untick: &'static str,
    pub(super) new: &'static str,
    pub(super) allowed_before: &'static str,
    pub(super) account: &'static str,
    pub(super) decide: &'static str,
    /// Argument: provider.
    pub(super) continue_with: fn(&str) -> String,
    /// Arguments: person, provider.
    pub(super) continue_as: fn(&str, &str) -> String,
    /// Argument: provider.
    pub(super) other_account: fn(&str) -> String,
    pub(super) cancel: &'static str,
    pub(super) end_later: &'static str,
    /// Names the page on which access is ended.
    pub(super) your_connections: &'static str,
}

/// The words of the pages on which a further account is connected.
#[derive(Debug)]
pub(super) struct ConnectWords {
    /// Argument: provider.
    pub(super) title: fn(&str) -> String,
    pub(super) purpose: &'static str,
    pub(super) needed: &'static str,
    /// Argument: provider.
    pub(super) needs: fn(&str) -> String,
    /// Arguments: app, server.
    pub(super) kept: fn(&str, &str) -> String,
    /// Argument: person.
    pub(super) signed_in_as: fn(&str) -> String,
    pub(super) decide: &'static str,
    pub(super) sign_in_title: &'static str,
    pub(super) sign_in_why: &'static str,
    /// Argument: provider.
    pub(super) sign_in_with: fn(&str) -> String,
    pub(super) other_title: &'static str,
    /// Argument: the person who is signed in.
    pub(super) other_happened: fn(&str) -> String,
    pub(super) other_beware: &'static str,
    pub(super) other_next: &'static str,
    /// Argument: provider.
    pub(super) other_account: fn(&str) -> String,
    /// Argument: provider.
    pub(super) connected: fn(&str) -> String,
    /// Argument: app.
    pub(super) connected_then: fn(&str) -> String,
    pub(super) cancelled: &'static str,
    /// Arguments: provider, app.
    pub(super) cancelled_then: fn(&str, &str) -> String,
}

/// The words of the hand-over page. The argument of each function is the app.
#[derive(Debug)]
pub(super) struct HandOverWords {
    pub(super) allowed: &'static str,
    pub(super) cancelled: &'static str,
    pub(super) failed: &'static str,
    pub(super) allowed_then: fn(&str) -> String,
    pub(super) cancelled_then: fn(&str) -> String,
    pub(super) failed_then: fn(&str) -> String,
    pub(super) return_to: fn(&str) -> String,
    pub(super) cancelled_return_to: fn(&str) -> String,
    /// Argument of these three: provider.
    pub(super) signing_in: fn(&str) -> String,
    pub(super) signing_in_then: fn(&str) -> String,
    pub(super) continue_to: fn(&str) -> String,
    pub(super) signed_in: &'static str,
    pub(super) signed_in_then: &'static str,
    pub(super) go_on: &'static str,
    pub(super) if_nothing_happens: &'static str,
    pub(super) close: &'static str,
}

/// The words of the error page.
#[derive(Debug)]
pub(super) struct ErrorWords {
    pub(super) cause: &'static str,
    pub(super) next: &'static str,
    /// Argument: host of the app, or its scheme.
    pub(super) return_to: fn(&str) -> String,
    pub(super) for_developers: &'static str,
    pub(super) status: &'static str,
    pub(super) reference: &'static str,
    pub(super) unknown_client: TroubleText,
    pub(super) blocked_client: TroubleText,
    pub(super) documents_off: TroubleText,
    /// Argument of these three: the host of the app's document.
    pub(super) document_unreachable: fn(&str) -> TroubleText,
    pub(super) document_refused: fn(&str) -> TroubleText,
    pub(super) document_host: fn(&str) -> TroubleText,
    pub(super) documents_busy: TroubleText,
    pub(super) unregistered_redirect: TroubleText,
    pub(super) invalid_request: TroubleText,
    pub(super) expired: TroubleText,
    pub(super) link_expired: TroubleText,
    pub(super) link_used: TroubleText,
    pub(super) grant_ended: TroubleText,
    pub(super) other_user: TroubleText,
    /// Argument of this and the next three: provider.
    pub(super) sign_in_failed: fn(&str) -> TroubleText,
    pub(super) sign_in_refused: fn(&str) -> TroubleText,
    pub(super) sign_in_cancelled: fn(&str) -> TroubleText,
    pub(super) provider_unavailable: fn(&str) -> TroubleText,
    pub(super) no_cookie: TroubleText,
    /// Arguments: person, provider.
    pub(super) not_allowed: fn(&str, &str) -> TroubleText,
    pub(super) unavailable: TroubleText,
    pub(super) too_many_requests: TroubleText,
    pub(super) not_found: TroubleText,
    pub(super) wrong_method: TroubleText,
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

/// The words of the page at `/`.
#[derive(Debug)]
pub(super) struct LandingWords {
    pub(super) title: &'static str,
    pub(super) what: &'static str,
    pub(super) how: &'static str,
    pub(super) servers: &'static str,
    pub(super) no_servers: &'static str,
    pub(super) your_connections: &'static str,
}

/// The words of the page on which a person sees which apps may act for them.
#[derive(Debug)]
pub(super) struct AccountWords {
    pub(super) title: &'static str,
    /// Arguments: person, provider.
    pub(super) signed_in_as: fn(&str, &str) -> String,
    pub(super) what: &'static str,
    pub(super) none: &'static str,
    pub(super) uses: &'static str,
    pub(super) answers_go_to: &'static str,
    /// Argument of this and the next: host or scheme.
    pub(super) on_a_computer: fn(&str) -> String,
    pub(super) on_a_device: fn(&str) -> String,
    pub(super) may: &'static str,
    pub(super) no_scopes: &'static str,
    pub(super) connected: &'static str,
    pub(super) since: &'static str,
    pub(super) last_used: &'static str,
    /// Argument: app.
    pub(super) end: fn(&str) -> String,
    pub(super) end_all: &'static str,
    /// Argument of this and the next: provider.
    pub(super) ended: fn(&str) -> String,
    pub(super) signed_out: fn(&str) -> String,
    /// The same two of local accounts.
    pub(super) ended_here: &'static str,
    pub(super) signed_out_here: &'static str,
    pub(super) sign_out: &'static str,
    pub(super) sign_in: &'static str,
    /// Argument: provider.
    pub(super) sign_in_with: fn(&str) -> String,
    /// Stands for the provider where there are several.
    pub(super) where_you_sign_in: &'static str,
    /// A day, as people write it.
    pub(super) date: fn(Date) -> String,
}

/// The words of the pages on which a person signs in with a local account.
#[derive(Debug)]
pub(super) struct LocalWords {
    /// What the account is called: "Continue with …".
    pub(super) label: &'static str,
    pub(super) title: &'static str,
    pub(super) email: &'static str,
    pub(super) password: &'static str,
    pub(super) new_password: &'static str,
    pub(super) repeat: &'static str,
    pub(super) name: &'static str,
    pub(super) code: &'static str,
    pub(super) enter: &'static str,
    pub(super) mail_code: &'static str,
    pub(super) forgot: &'static str,
    pub(super) sign_up: &'static str,
    pub(super) cancel: &'static str,
    pub(super) how_mail: &'static str,
    pub(super) forgot_without_mail: &'static str,
    pub(super) no_address: &'static str,
    pub(super) wrong: &'static str,
    pub(super) disabled: &'static str,
    /// Argument of this and the next: minutes.
    pub(super) too_many: fn(u64) -> String,
    pub(super) too_many_mails: fn(u64) -> String,
    pub(super) mailed_title: &'static str,
    /// Argument of this and the next: address.
    pub(super) sent_if_known: fn(&str) -> String,
    pub(super) sent_if_new: fn(&str) -> String,
    pub(super) stay_here: &'static str,
    pub(super) wrong_code: &'static str,
    pub(super) back: &'static str,
    pub(super) set_and_enter: &'static str,
    pub(super) make_account: &'static str,
    /// Argument of this and the next: the fewest characters.
    pub(super) password_hint: fn(usize) -> String,
    pub(super) too_short: fn(usize) -> String,
    /// Argument: the most characters.
    pub(super) too_long: fn(usize) -> String,
    pub(super) guessable: &'static str,
    pub(super) different: &'static str,
    pub(super) welcome_title: &'static str,
    pub(super) welcome: &'static str,
    pub(super) new_password_title: &'static str,
    pub(super) new_password_then: &'static str,
    pub(super) set_password: &'static str,
    pub(super) password_set: &'static str,
    pub(super) password_set_then: &'static str,
}

/// The words of mails. The first argument of each function is the site; the second is the code or the link.
#[derive(Debug)]
pub(super) struct MailWords {
    pub(super) code_subject: fn(&str) -> String,
    pub(super) sign_in_code: fn(&str, &str) -> String,
    pub(super) reset_code: fn(&str, &str) -> String,
    pub(super) sign_up_code: fn(&str, &str) -> String,
    pub(super) has_account_subject: fn(&str) -> String,
    pub(super) has_account: fn(&str) -> String,
    pub(super) invitation_subject: fn(&str) -> String,
    pub(super) invitation: fn(&str, &str) -> String,
    pub(super) reset_subject: fn(&str) -> String,
    pub(super) reset_link: fn(&str, &str) -> String,
}

/// A number and what it counts, in languages that tell one from several.
fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// The name of a date's month.
fn month<'a>(date: Date, names: &[&'a str; 12]) -> Option<&'a str> {
    let number = usize::try_from(date.month).ok()?;
    names.get(number.checked_sub(1)?).copied()
}
