//! The English words. Short sentences; no word that only developers know.

use coatroom_protocol::words::Date;

use super::{
    AccountWords, ConnectWords, ConsentWords, ErrorWords, HandOverWords, LandingWords, LocalWords, MailWords,
    Words, count, month, text, told,
};

pub(super) static WORDS: Words<'static> = Words {
    lang: "en",
    dir: "ltr",
    nameless: "an app without a name",
    unverified: "Unverified",
    served_by: &|site| format!("You are at {site}. Compare this with the address bar of your browser."),
    terms: "Terms",
    privacy: "Privacy",
    support: "Help",
    consent: CONSENT,
    connect: CONNECT,
    hand_over: HAND_OVER,
    error: ERROR,
    landing: LANDING,
    account: ACCOUNT,
    local: LOCAL,
    mail: MAIL,
};

const CONSENT: ConsentWords<'static> = ConsentWords {
    title: &|app, server| format!("Allow {app} to use {server}?"),
    who: "Who is asking",
    known_here: "The people who run this site know this app.",
    described_by: "Described by the website",
    named_by_host: &|host| format!("This name comes from {host}. Nobody else has checked it."),
    named_by_itself: "The app chose this name itself. Nobody has checked it.",
    gave_no_name: "The app did not say what it is called. Nobody has checked who it is.",
    destination: "Where your answer goes",
    to_website: "Your answer is sent to this website.",
    to_this_computer: "Your answer is sent to an app on this computer.",
    to_app: &|scheme| format!("Your answer is sent to the app on this device that opens “{scheme}:” links."),
    full_address: "Full address:",
    beware_computer: "Any app on this computer can use any name. Continue only if you have just started this yourself.",
    beware_only_computer: &|host| {
        format!(
            "{host} cannot make sure that it is this app: its answers always go to your own computer, where any app can pretend to be it. Continue only if you have just started this yourself."
        )
    },
    beware_app: "Any app on this device can use any name. Continue only if you have just started this yourself.",
    beware_letters: "The name of this website has unusual letters. It may only look like a website that you know.",
    purpose: "What it wants to use",
    uses_account: &|provider| format!("It works with your {provider} account."),
    permissions_at: &|provider| format!("Permissions at {provider}:"),
    kept: &|app| format!("Your sign-in is kept here, encrypted. {app} never gets it."),
    may: &|app| format!("What {app} will be able to do"),
    no_scopes: "It asks for basic access and nothing more.",
    may_untick: "Untick what you do not want to allow.",
    new: "New",
    allowed_before: "You allowed this before:",
    account: "Your decision",
    decide: "If you continue, you allow what is listed above. If you are not sure, cancel: then nothing happens.",
    continue_with: &|provider| format!("Continue with {provider}"),
    continue_as: &|person, provider| format!("Continue as {person} ({provider})"),
    other_account: &|provider| format!("Use another {provider} account"),
    cancel: "Cancel",
    end_later: "You can see and end this access at any time:",
    your_connections: "Your connections",
};

const CONNECT: ConnectWords<'static> = ConnectWords {
    title: &|provider| format!("Connect your {provider} account?"),
    purpose: "What it is using",
    needed: "What this needs",
    needs: &|provider| format!("You sign in at {provider} and agree there."),
    kept: &|app, server| {
        format!(
            "Your sign-in is kept here, encrypted, and {server} works with it when {app} asks. {app} never gets it."
        )
    },
    signed_in_as: &|person| format!("You are signed in here as {person}."),
    decide: "Continue only if you have just started this yourself. If you are not sure, cancel: then nothing happens.",
    sign_in_title: "Sign in first",
    sign_in_why: "This link is good for one person. Sign in as you did when you connected your app, so that we know that it is you.",
    sign_in_with: &|provider| format!("Sign in with {provider}"),
    other_title: "This link is for somebody else",
    other_happened: &|person| {
        format!("You are signed in here as {person}, and this link was made for another account.")
    },
    other_beware: "If somebody sent you this link, do not use it: they would then work with your account.",
    other_next: "If the other account is yours too, sign in with it. Otherwise close this page; nothing has happened.",
    other_account: &|provider| format!("Use another {provider} account"),
    connected: &|provider| format!("{provider} is connected"),
    connected_then: &|app| {
        format!(
            "You can close this window and go back to {app}. If it does not go on by itself, ask it once more."
        )
    },
    cancelled: "Cancelled",
    cancelled_then: &|provider, app| {
        format!("{provider} was not connected. You can close this window and go back to {app}.")
    },
};

const HAND_OVER: HandOverWords<'static> = HandOverWords {
    allowed: "All done here",
    cancelled: "Cancelled",
    failed: "That did not work",
    allowed_then: &|app| format!("You are on your way back to {app}."),
    cancelled_then: &|app| format!("You allowed nothing. {app} is told so."),
    failed_then: &|app| format!("You allowed nothing. {app} is told why."),
    return_to: &|app| format!("Return to {app}"),
    cancelled_return_to: &|app| format!("Return to {app}"),
    signing_in: &|provider| format!("Taking you to {provider}"),
    signing_in_then: &|provider| format!("You will sign in at {provider}. Then you come back here."),
    continue_to: &|provider| format!("Continue to {provider}"),
    signed_in: "You are signed in",
    signed_in_then: "You are on your way back to where you were.",
    go_on: "Continue",
    if_nothing_happens: "If nothing happens within a few seconds, use the button.",
    close: "When the app goes on, you can close this window.",
};

const ERROR: ErrorWords<'static> = ErrorWords {
    cause: "Why",
    next: "What to do now",
    return_to: &|receiver| format!("Return to the app ({receiver})"),
    for_developers: "For the developer of the app",
    status: "Status",
    reference: "Reference",
    unknown_client: text(
        "This app is not known here",
        "An app sent you here, but its registration is not known here.",
        "The app probably uses an old registration. You did nothing wrong.",
        "Open your app, remove this server from it, and add the server again. If it still sends you here, look in its settings for this server: the entry is called “Clear authentication”, “Sign out”, “Disconnect” or “Reset”.",
    ),
    blocked_client: text(
        "This app is blocked",
        "An app sent you here, but the people who run this site have blocked it.",
        "That was their decision. It is not about you.",
        "Use another app, or ask the people who run this site.",
    ),
    documents_off: text(
        "This site does not know apps by their web address",
        "An app sent you here and named itself by a web address. Apps of this kind cannot be used here at the moment.",
        "The people who run this site decide that, or this site cannot reach the internet. You did nothing wrong.",
        "Update your app, remove this server from it, and add the server again. If that does not help, ask the people who run this site.",
    ),
    document_unreachable: |host| {
        told(
            format!("{host} did not answer"),
            format!(
                "An app sent you here that is described at {host}. That description could not be fetched."
            ),
            format!(
                "This is probably a fault at {host}, or the app gave a wrong address. You did nothing wrong."
            ),
            "Wait a minute, then start again from your app.",
        )
    },
    document_refused: |host| {
        told(
            format!("What {host} says about the app is not good"),
            format!(
                "An app sent you here that is described at {host}. That description has a mistake, so nobody can tell who the app is."
            ),
            format!("This is probably a mistake of the people who make the app at {host}, not yours."),
            "If you were not just connecting an app, close this page. Otherwise tell the developer of the app what stands below.",
        )
    },
    document_host: |host| {
        told(
            format!("Apps of {host} cannot be used here"),
            format!(
                "An app sent you here that is described at {host}. This site does not take apps from there."
            ),
            "The people who run this site decide that. It is not about you.".to_owned(),
            "Use another app, or ask the people who run this site.",
        )
    },
    documents_busy: text(
        "Too many apps at once",
        "An app sent you here, and this site must first fetch what its developer says about it. It is fetching too much at the moment.",
        "Somebody may be trying again and again. You did nothing wrong.",
        "Wait a minute, then start again from your app.",
    ),
    unregistered_redirect: text(
        "The app gave a wrong return address",
        "An app sent you here, but it asked us to send you back to an address that it never registered.",
        "This is probably a mistake in the app. It may also be somebody who pretends to be the app.",
        "If you were not just connecting an app, close this page. Otherwise remove this server from your app and add it again.",
    ),
    invalid_request: text(
        "Something is wrong with the app’s request",
        "An app sent you here with a request that cannot be understood.",
        "This is probably a mistake in the app, not yours.",
        "Start again from your app. If that does not help, tell its developer what stands below.",
    ),
    expired: text(
        "This page is too old",
        "The request behind this page has expired, or it was already answered.",
        "This happens when a page stays open for long, is loaded twice, or is reached with the back button.",
        "If your app already works, close this page. Otherwise start again from your app.",
    ),
    link_expired: text(
        "This link does not work any more",
        "The link that you opened is too old, or a part of it is missing.",
        "Such links are good for some minutes only.",
        "Go back to your app and ask it once more; it then gives you a new link.",
    ),
    link_used: text(
        "This link is not good any more",
        "A link to set a password is good once, for a week, and only until there is a newer one.",
        "It was used, it is too old, or only a part of it was opened.",
        "If you have set your password, sign in with it from your app. Otherwise ask the people who run this site for a new link.",
    ),
    grant_ended: text(
        "This app has no access any more",
        "The app that you wanted to connect an account for is not allowed to act for you any more.",
        "Its access was ended or has run out since the link was made.",
        "Open your app and sign in there again.",
    ),
    other_user: text(
        "Somebody else is signed in now",
        "You came back from connecting an account, but the person who is signed in here is not the one who began.",
        "Somebody has signed in or out in this browser in the meantime.",
        "Nothing was connected. Go back to your app and ask it once more.",
    ),
    sign_in_failed: |provider| {
        told(
            format!("The sign-in at {provider} failed"),
            format!("{provider} sent you back, but its answer could not be accepted."),
            format!(
                "This is probably a fault at {provider} or in how this site is set up. You did nothing wrong."
            ),
            "Start again from your app. If it fails again, tell the people who run this site.",
        )
    },
    sign_in_refused: |provider| {
        told(
            format!("{provider} did not let you sign in"),
            format!("{provider} refused the sign-in."),
            format!("Your account or your organisation at {provider} may not allow it."),
            "Try another account: start again from your app. Or ask whoever manages your account.",
        )
    },
    sign_in_cancelled: |provider| {
        told(
            "You cancelled the sign-in".to_owned(),
            format!("The sign-in at {provider} was cancelled. Nothing was allowed."),
            "You, or somebody at this computer, chose to cancel.".to_owned(),
            "If you did not mean to, start again from your app.",
        )
    },
    provider_unavailable: |provider| {
        told(
            format!("{provider} cannot be reached"),
            format!("{provider} does not answer at the moment."),
            format!("This is probably a fault at {provider}. You did nothing wrong."),
            "Wait a minute, then start again from your app.",
        )
    },
    no_cookie: text(
        "Your browser cannot be recognised",
        "This page was opened in one browser and answered in another, or your browser keeps no cookies for this site.",
        "Cookies may be blocked, or the link was opened in another window, browser or device.",
        "Allow cookies for this site, then start again from your app and stay in the same browser.",
    ),
    not_allowed: |person, provider| {
        told(
            "This account may not be used here".to_owned(),
            format!("You signed in with {provider} as {person}. This account may not use this site."),
            "The people who run this site decide which accounts may, and this one is not among them."
                .to_owned(),
            "Start again from your app and choose another account, or ask the people who run this site.",
        )
    },
    unavailable: text(
        "This does not work at the moment",
        "Something that this site needs does not answer.",
        "This is a fault here. You did nothing wrong, and what you allowed before stays allowed.",
        "Wait a minute, then start again from your app.",
    ),
    too_many_requests: text(
        "Too many requests",
        "This site got more requests from your network than it accepts.",
        "An app may be trying again and again, or you share your network with many people.",
        "Wait a minute, then start again from your app.",
    ),
    not_found: text(
        "There is no such page",
        "Nothing exists at this address.",
        "The address may be misspelt or old.",
        "Check the address. If an app sent you here, tell its developer.",
    ),
    wrong_method: text(
        "This page cannot be opened like this",
        "This address takes what a page before it sends, or the other way round.",
        "You may have opened the address of a step by itself.",
        "Start again from your app. If an app sent you here, tell its developer.",
    ),
};

const LANDING: LandingWords<'static> = LandingWords {
    title: "A door to MCP servers",
    what: "This site lets AI apps use the servers below for you, each person with their own account.",
    how: "Copy an address into your app. The app then sends you here to sign in, and nothing is allowed before you agree.",
    servers: "Servers",
    no_servers: "There are no servers yet.",
    your_connections: "Apps that may act for you",
};

const ACCOUNT: AccountWords<'static> = AccountWords {
    title: "Your connections",
    signed_in_as: &|person, provider| format!("You are signed in as {person} ({provider})."),
    what: "These apps may act for you. An app that you remove here loses its access at once.",
    none: "No app may act for you at the moment.",
    uses: "May use",
    answers_go_to: "Where it is",
    on_a_computer: &|host| format!("on a computer ({host})"),
    on_a_device: &|scheme| format!("on a device ({scheme})"),
    may: "May do",
    no_scopes: "Basic access",
    connected: "Connected accounts",
    since: "Allowed on",
    last_used: "Last active",
    end: &|app| format!("Remove {app}"),
    end_all: "Remove all apps",
    ended: &|provider| {
        format!(
            "Done: the access has ended. {provider} may still list this site among your apps; you can remove it there too."
        )
    },
    signed_out: &|provider| {
        format!(
            "You are signed out here. Apps keep their access, and you may still be signed in at {provider}."
        )
    },
    ended_here: "Done: the access has ended.",
    signed_out_here: "You are signed out, in every browser. Apps keep their access.",
    sign_out: "Sign out",
    sign_in: "Sign in to see which apps may act for you, and to end their access.",
    sign_in_with: &|provider| format!("Sign in with {provider}"),
    where_you_sign_in: "the place where you sign in",
    date,
};

const LOCAL: LocalWords<'static> = LocalWords {
    label: "e-mail",
    title: "Sign in",
    email: "E-mail address",
    password: "Password",
    new_password: "New password",
    repeat: "New password once more",
    name: "Your name (you may leave this empty)",
    code: "Code",
    enter: "Sign in",
    mail_code: "E-mail me a code",
    forgot: "I forgot my password",
    sign_up: "Make an account",
    cancel: "Cancel",
    how_mail: "For a code, a new password or an account you need only type your e-mail address.",
    forgot_without_mail: "If you have forgotten your password, ask the people who run this site.",
    no_address: "This is not an e-mail address. It looks like name@example.com.",
    wrong: "The e-mail address or the password is not right. Try again.",
    disabled: "Your account is not in use any more. Ask the people who run this site.",
    too_many: &|minutes| {
        format!(
            "Somebody tried to sign in too often, perhaps not you. Try again in {}.",
            count(minutes, "minute", "minutes")
        )
    },
    too_many_mails: &|minutes| {
        format!(
            "Too many e-mails were asked for. Look into your mailbox, or try again in {}.",
            count(minutes, "minute", "minutes")
        )
    },
    mailed_title: "Look into your mailbox",
    sent_if_known: &|address| {
        format!(
            "If {address} has an account here, we have just sent a code to it. It is good for ten minutes."
        )
    },
    sent_if_new: &|address| {
        format!("We have just sent an e-mail to {address}. Its code is good for ten minutes.")
    },
    stay_here: "Type the code here, in this window. Give it to nobody: we never ask for it elsewhere.",
    wrong_code: "This is not the code, or not of the last e-mail. Try again.",
    back: "Nothing came? Go back and try again",
    set_and_enter: "Set the password and sign in",
    make_account: "Make the account",
    password_hint: &|least| format!("At least {least} characters. A few words in a row are good."),
    too_short: &|least| format!("The password is too short: it needs at least {least} characters."),
    too_long: &|most| format!("The password is too long: it may have {most} characters at the most."),
    guessable: "This password is easily guessed. Take one that is longer or less common: a few words in a row that do not belong together.",
    different: "The two passwords are not the same. Type both again.",
    welcome_title: "Welcome",
    welcome: "You were invited to use the servers of this site. Choose a password for your account.",
    new_password_title: "Choose a new password",
    new_password_then: "Your old password is not good any more. Apps that acted for you have to ask you again.",
    set_password: "Set the password",
    password_set: "Your password is set",
    password_set_then: "You can close this window, and sign in from your app with your e-mail address and this password.",
};

const MAIL: MailWords<'static> = MailWords {
    code_subject: &|site| format!("Your code for {site}"),
    sign_in_code: &|site, code| {
        format!(
            "Your code to sign in to {site}:\n\n    {code}\n\nIt is good for ten minutes, and only in the window in which you asked for it.\n{NOT_YOU_CODE}"
        )
    },
    reset_code: &|site, code| {
        format!(
            "Your code to set a new password at {site}:\n\n    {code}\n\nIt is good for ten minutes, and only in the window in which you asked for it.\n{NOT_YOU_CODE}"
        )
    },
    sign_up_code: &|site, code| {
        format!(
            "Your code to make an account at {site}:\n\n    {code}\n\nIt is good for ten minutes, and only in the window in which you asked for it.\n{NOT_YOU_CODE}"
        )
    },
    has_account_subject: &|site| format!("You have an account at {site}"),
    has_account: &|site| {
        format!(
            "Somebody, probably you, wanted to make an account at {site} with this address. You have one already: sign in with it. If you forgot the password, you can set a new one on the page where you sign in.\n\nIf it was not you, you need not do anything.\n"
        )
    },
    invitation_subject: &|site| format!("You are invited to {site}"),
    invitation: &|site, link| {
        format!(
            "You are invited to use the servers of {site}. Open this address to choose a password:\n\n{link}\n\nIt is good for a week, and once. Give it to nobody.\nIf you do not know what this is about, you need not do anything.\n"
        )
    },
    reset_subject: &|site| format!("Choose a new password for {site}"),
    reset_link: &|site, link| {
        format!(
            "The people who run {site} ask you to choose a new password. Your old one is not good any more. Open this address:\n\n{link}\n\nIt is good for a week, and once. Give it to nobody.\n"
        )
    },
};

const NOT_YOU_CODE: &str = "Give it to nobody: whoever asks you for it is not us.\n\nIf it was not you who asked, you need not do anything.\n";

fn date(date: Date) -> String {
    match month(date, &MONTHS) {
        Some(month) => format!("{} {month} {}", date.day, date.year),
        None => date.to_string(),
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
