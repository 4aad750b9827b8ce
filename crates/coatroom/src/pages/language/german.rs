//! The German words. People are called „Sie“, and software „App“, as their own settings do.

use coatroom_protocol::words::Date;

use super::{
    AccountWords, ConnectWords, ConsentWords, ErrorWords, HandOverWords, LandingWords, LocalWords, MailWords,
    Words, count, month, text, told,
};

pub(super) static WORDS: Words<'static> = Words {
    lang: "de",
    dir: "ltr",
    nameless: "App ohne Namen",
    unverified: "Nicht überprüft",
    served_by: &|site| {
        format!("Sie sind auf {site}. Vergleichen Sie das mit der Adresszeile Ihres Browsers.")
    },
    terms: "Nutzungsbedingungen",
    privacy: "Datenschutz",
    support: "Hilfe",
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
    title: &|app, server| format!("Möchten Sie {app} erlauben, {server} zu nutzen?"),
    who: "Anfrage von",
    known_here: "Die Betreiber dieser Website kennen diese App.",
    described_by: "Beschrieben von der Website",
    named_by_host: &|host| format!("Dieser Name stammt von {host}. Niemand sonst hat ihn überprüft."),
    named_by_itself: "Diesen Namen hat sich die App selbst gegeben. Niemand hat ihn überprüft.",
    gave_no_name: "Die App hat nicht gesagt, wie sie heißt. Niemand hat überprüft, wer sie ist.",
    destination: "Wohin Ihre Antwort geht",
    to_website: "Ihre Antwort wird an diese Website gesendet.",
    to_this_computer: "Ihre Antwort wird an eine App auf diesem Computer gesendet.",
    to_app: &|scheme| {
        format!(
            "Ihre Antwort wird an die App auf diesem Gerät gesendet, die Links öffnet, die mit „{scheme}:“ beginnen."
        )
    },
    full_address: "Vollständige Adresse:",
    beware_computer: "Jede App auf diesem Computer kann jeden beliebigen Namen verwenden. Fahren Sie nur fort, wenn Sie das gerade selbst begonnen haben.",
    beware_only_computer: &|host| {
        format!(
            "{host} kann nicht sicherstellen, dass es sich um diese App handelt: Antworten an sie gehen immer an Ihren eigenen Computer, und dort kann sich jede App als diese ausgeben. Fahren Sie nur fort, wenn Sie das gerade selbst begonnen haben."
        )
    },
    beware_app: "Jede App auf diesem Gerät kann jeden beliebigen Namen verwenden. Fahren Sie nur fort, wenn Sie das gerade selbst begonnen haben.",
    beware_letters: "Der Name dieser Website enthält ungewöhnliche Buchstaben. Vielleicht sieht er nur aus wie der einer Website, die Sie kennen.",
    purpose: "Was die App nutzen möchte",
    uses_account: &|provider| format!("Dabei wird Ihr Konto bei {provider} verwendet."),
    permissions_at: &|provider| format!("Berechtigungen bei {provider}:"),
    kept: &|app| {
        format!("Ihre Anmeldung wird hier verschlüsselt aufbewahrt. {app} erhält sie zu keiner Zeit.")
    },
    may: &|app| format!("Was {app} tun darf"),
    no_scopes: "Die App bittet um einfachen Zugriff und um nichts weiter.",
    may_untick: "Entfernen Sie das Häkchen bei allem, was Sie nicht erlauben möchten.",
    new: "Neu",
    allowed_before: "Das haben Sie schon früher erlaubt:",
    account: "Ihre Entscheidung",
    decide: "Wenn Sie fortfahren, erlauben Sie alles, was oben aufgeführt ist. Wenn Sie nicht sicher sind, brechen Sie ab: Dann geschieht nichts.",
    continue_with: &|provider| format!("Weiter mit {provider}"),
    continue_as: &|person, provider| format!("Weiter als {person} ({provider})"),
    other_account: &|provider| format!("Anderes Konto verwenden ({provider})"),
    cancel: "Abbrechen",
    end_later: "Sie können diesen Zugriff jederzeit ansehen und beenden:",
    your_connections: "Ihre Verbindungen",
};

const CONNECT: ConnectWords<'static> = ConnectWords {
    title: &|provider| format!("Möchten Sie Ihr Konto bei {provider} verbinden?"),
    purpose: "Was die App gerade nutzt",
    needed: "Was dafür nötig ist",
    needs: &|provider| format!("Sie melden sich bei {provider} an und stimmen dort zu."),
    kept: &|app, server| {
        format!(
            "Ihre Anmeldung wird hier verschlüsselt aufbewahrt, und {server} verwendet sie, wenn {app} darum bittet. {app} erhält sie zu keiner Zeit."
        )
    },
    signed_in_as: &|person| format!("Sie sind hier als {person} angemeldet."),
    decide: "Fahren Sie nur fort, wenn Sie das gerade selbst begonnen haben. Wenn Sie nicht sicher sind, brechen Sie ab: Dann geschieht nichts.",
    sign_in_title: "Melden Sie sich zuerst an",
    sign_in_why: "Dieser Link gilt nur für eine bestimmte Person. Melden Sie sich so an wie damals, als Sie Ihre App verbunden haben, damit wir wissen, dass Sie es sind.",
    sign_in_with: &|provider| format!("Mit {provider} anmelden"),
    other_title: "Dieser Link ist für jemand anderen",
    other_happened: &|person| {
        format!(
            "Sie sind hier als {person} angemeldet, aber dieser Link wurde für ein anderes Konto erstellt."
        )
    },
    other_beware: "Wenn Ihnen jemand diesen Link geschickt hat, verwenden Sie ihn nicht: Diese Person würde dann mit Ihrem Konto arbeiten.",
    other_next: "Wenn das andere Konto auch Ihnen gehört, melden Sie sich damit an. Sonst schließen Sie diese Seite; es ist nichts geschehen.",
    other_account: &|provider| format!("Anderes Konto verwenden ({provider})"),
    connected: &|provider| format!("{provider} ist verbunden"),
    connected_then: &|app| {
        format!(
            "Sie können dieses Fenster schließen und zu {app} zurückkehren. Wenn es dort nicht von selbst weitergeht, wiederholen Sie Ihre Bitte."
        )
    },
    cancelled: "Abgebrochen",
    cancelled_then: &|provider, app| {
        format!(
            "{provider} wurde nicht verbunden. Sie können dieses Fenster schließen und zu {app} zurückkehren."
        )
    },
};

const HAND_OVER: HandOverWords<'static> = HandOverWords {
    allowed: "Hier ist alles erledigt",
    cancelled: "Abgebrochen",
    failed: "Das hat nicht geklappt",
    allowed_then: &|app| format!("Es geht jetzt zurück zu {app}."),
    cancelled_then: &|app| format!("Sie haben nichts erlaubt. {app} erfährt das."),
    failed_then: &|app| format!("Sie haben nichts erlaubt. {app} erfährt den Grund."),
    return_to: &|app| format!("Zurück zu {app}"),
    cancelled_return_to: &|app| format!("Zurück zu {app}"),
    signing_in: &|provider| format!("Weiter zu {provider}"),
    signing_in_then: &|provider| {
        format!("Sie melden sich jetzt bei {provider} an. Danach kommen Sie hierher zurück.")
    },
    continue_to: &|provider| format!("Weiter zu {provider}"),
    signed_in: "Sie sind angemeldet",
    signed_in_then: "Es geht jetzt dorthin zurück, wo Sie waren.",
    go_on: "Weiter",
    if_nothing_happens: "Wenn in den nächsten Sekunden nichts geschieht, benutzen Sie die Schaltfläche.",
    close: "Sobald es in der App weitergeht, können Sie dieses Fenster schließen.",
};

const ERROR: ErrorWords<'static> = ErrorWords {
    cause: "Warum",
    next: "Was Sie jetzt tun können",
    return_to: &|receiver| format!("Zurück zur App ({receiver})"),
    for_developers: "Für die Entwickler der App",
    status: "Status",
    reference: "Referenz",
    unknown_client: text(
        "Diese App ist hier nicht bekannt",
        "Eine App hat Sie hierher geschickt, aber ihre Registrierung ist hier nicht bekannt.",
        "Die App verwendet vermutlich eine alte Registrierung. Sie haben nichts falsch gemacht.",
        "Öffnen Sie Ihre App, entfernen Sie dort diesen Server und fügen Sie ihn wieder hinzu. Wenn die App Sie trotzdem wieder hierher schickt, suchen Sie in ihren Einstellungen zu diesem Server nach „Clear authentication“, „Sign out“ (Abmelden), „Disconnect“ (Trennen) oder „Reset“ (Zurücksetzen).",
    ),
    blocked_client: text(
        "Diese App ist gesperrt",
        "Eine App hat Sie hierher geschickt, aber die Betreiber dieser Website haben sie gesperrt.",
        "Das war ihre Entscheidung. Es liegt nicht an Ihnen.",
        "Verwenden Sie eine andere App oder fragen Sie die Betreiber dieser Website.",
    ),
    documents_off: text(
        "Diese Website kennt Apps nicht anhand ihrer Webadresse",
        "Eine App hat Sie hierher geschickt und sich mit einer Webadresse ausgewiesen. Solche Apps können hier zurzeit nicht verwendet werden.",
        "Das entscheiden die Betreiber dieser Website, oder diese Website kann das Internet nicht erreichen. Sie haben nichts falsch gemacht.",
        "Aktualisieren Sie Ihre App, entfernen Sie dort diesen Server und fügen Sie ihn wieder hinzu. Wenn das nicht hilft, fragen Sie die Betreiber dieser Website.",
    ),
    document_unreachable: |host| {
        told(
            format!("{host} hat nicht geantwortet"),
            format!(
                "Eine App hat Sie hierher geschickt, die bei {host} beschrieben ist. Diese Beschreibung konnte nicht abgerufen werden."
            ),
            format!(
                "Das ist vermutlich eine Störung bei {host}, oder die App hat eine falsche Adresse angegeben. Sie haben nichts falsch gemacht."
            ),
            "Warten Sie eine Minute und beginnen Sie dann in Ihrer App von vorn.",
        )
    },
    document_refused: |host| {
        told(
            format!("Was {host} über die App sagt, ist fehlerhaft"),
            format!(
                "Eine App hat Sie hierher geschickt, die bei {host} beschrieben ist. Diese Beschreibung enthält einen Fehler; deshalb lässt sich nicht feststellen, wer die App ist."
            ),
            format!(
                "Der Fehler liegt vermutlich bei den Leuten hinter {host}, die diese App machen, und nicht bei Ihnen."
            ),
            "Wenn Sie nicht gerade eine App verbinden wollten, schließen Sie diese Seite. Sonst teilen Sie den Entwicklern der App mit, was unten steht.",
        )
    },
    document_host: |host| {
        told(
            format!("Apps von {host} können hier nicht verwendet werden"),
            format!(
                "Eine App hat Sie hierher geschickt, die bei {host} beschrieben ist. Diese Website lässt keine Apps von dort zu."
            ),
            "Das entscheiden die Betreiber dieser Website. Es liegt nicht an Ihnen.".to_owned(),
            "Verwenden Sie eine andere App oder fragen Sie die Betreiber dieser Website.",
        )
    },
    documents_busy: text(
        "Zu viele Apps auf einmal",
        "Eine App hat Sie hierher geschickt, und diese Website muss zuerst abrufen, was die Entwickler der App über sie sagen. Zurzeit muss sie zu viel abrufen.",
        "Vielleicht versucht es jemand immer wieder. Sie haben nichts falsch gemacht.",
        "Warten Sie eine Minute und beginnen Sie dann in Ihrer App von vorn.",
    ),
    unregistered_redirect: text(
        "Die App hat eine falsche Rückadresse angegeben",
        "Eine App hat Sie hierher geschickt, aber sie möchte, dass wir Sie an eine Adresse zurückschicken, die sie nie registriert hat.",
        "Das ist vermutlich ein Fehler in der App. Es kann auch jemand sein, der sich als diese App ausgibt.",
        "Wenn Sie nicht gerade eine App verbinden wollten, schließen Sie diese Seite. Sonst entfernen Sie diesen Server aus Ihrer App und fügen Sie ihn wieder hinzu.",
    ),
    invalid_request: text(
        "Mit der Anfrage der App stimmt etwas nicht",
        "Eine App hat Sie mit einer Anfrage hierher geschickt, die sich nicht verstehen lässt.",
        "Das ist vermutlich ein Fehler in der App und nicht Ihrer.",
        "Beginnen Sie in Ihrer App von vorn. Wenn das nicht hilft, teilen Sie ihren Entwicklern mit, was unten steht.",
    ),
    expired: text(
        "Diese Seite ist zu alt",
        "Die Anfrage hinter dieser Seite ist abgelaufen oder wurde schon beantwortet.",
        "Das geschieht, wenn eine Seite lange offen bleibt, zweimal geladen wird oder über die Zurück-Taste erreicht wird.",
        "Wenn Ihre App schon funktioniert, schließen Sie diese Seite. Sonst beginnen Sie in Ihrer App von vorn.",
    ),
    link_expired: text(
        "Dieser Link funktioniert nicht mehr",
        "Der Link, den Sie geöffnet haben, ist zu alt oder unvollständig.",
        "Solche Links gelten nur einige Minuten.",
        "Gehen Sie zurück zu Ihrer App und bitten Sie sie noch einmal darum; dann gibt sie Ihnen einen neuen Link.",
    ),
    link_used: text(
        "Dieser Link gilt nicht mehr",
        "Ein Link zum Festlegen eines Passworts gilt einmal, eine Woche lang, und nur, bis es einen neueren gibt.",
        "Er wurde schon benutzt, ist zu alt oder wurde nur zum Teil geöffnet.",
        "Wenn Sie Ihr Passwort festgelegt haben, melden Sie sich damit in Ihrer App an. Sonst bitten Sie die Betreiber dieser Website um einen neuen Link.",
    ),
    grant_ended: text(
        "Diese App hat keinen Zugriff mehr",
        "Die App, für die Sie ein Konto verbinden wollten, darf nicht mehr für Sie handeln.",
        "Ihr Zugriff wurde beendet oder ist abgelaufen, seit der Link erstellt wurde.",
        "Öffnen Sie Ihre App und melden Sie sich dort wieder an.",
    ),
    other_user: text(
        "Jetzt ist jemand anderes angemeldet",
        "Sie kommen vom Verbinden eines Kontos zurück, aber hier ist jetzt jemand anderes angemeldet als zu Beginn.",
        "In diesem Browser hat sich in der Zwischenzeit jemand an- oder abgemeldet.",
        "Es wurde nichts verbunden. Gehen Sie zurück zu Ihrer App und bitten Sie sie noch einmal darum.",
    ),
    sign_in_failed: |provider| {
        told(
            format!("Die Anmeldung mit {provider} ist fehlgeschlagen"),
            format!("{provider} hat Sie zurückgeschickt, aber die Antwort konnte nicht angenommen werden."),
            format!(
                "Das ist vermutlich eine Störung bei {provider} oder ein Fehler in der Einrichtung dieser Website. Sie haben nichts falsch gemacht."
            ),
            "Beginnen Sie in Ihrer App von vorn. Wenn es wieder fehlschlägt, sagen Sie den Betreibern dieser Website Bescheid.",
        )
    },
    sign_in_refused: |provider| {
        told(
            format!("{provider} hat Sie nicht angemeldet"),
            format!("{provider} hat die Anmeldung abgelehnt."),
            format!("Vielleicht lässt Ihr Konto oder Ihre Organisation bei {provider} das nicht zu."),
            "Versuchen Sie es mit einem anderen Konto: Beginnen Sie in Ihrer App von vorn. Oder fragen Sie, wer Ihr Konto verwaltet.",
        )
    },
    sign_in_cancelled: |provider| {
        told(
            "Sie haben die Anmeldung abgebrochen".to_owned(),
            format!("Die Anmeldung mit {provider} wurde abgebrochen. Es wurde nichts erlaubt."),
            "Sie oder jemand an diesem Computer hat sich für „Abbrechen“ entschieden.".to_owned(),
            "Wenn das ein Versehen war, beginnen Sie in Ihrer App von vorn.",
        )
    },
    provider_unavailable: |provider| {
        told(
            format!("{provider} ist nicht erreichbar"),
            format!("{provider} antwortet zurzeit nicht."),
            format!("Das ist vermutlich eine Störung bei {provider}. Sie haben nichts falsch gemacht."),
            "Warten Sie eine Minute und beginnen Sie dann in Ihrer App von vorn.",
        )
    },
    no_cookie: text(
        "Ihr Browser wurde nicht wiedererkannt",
        "Diese Seite wurde in einem Browser geöffnet und in einem anderen beantwortet, oder Ihr Browser speichert keine Cookies für diese Website.",
        "Vielleicht sind Cookies blockiert, oder der Link wurde in einem anderen Fenster, einem anderen Browser oder auf einem anderen Gerät geöffnet.",
        "Lassen Sie Cookies für diese Website zu. Beginnen Sie dann in Ihrer App von vorn und bleiben Sie in demselben Browser.",
    ),
    not_allowed: |person, provider| {
        told(
            "Dieses Konto darf hier nicht verwendet werden".to_owned(),
            format!(
                "Sie haben sich mit {provider} als {person} angemeldet. Dieses Konto darf diese Website nicht nutzen."
            ),
            "Die Betreiber dieser Website entscheiden, welche Konten das dürfen, und dieses gehört nicht dazu."
                .to_owned(),
            "Beginnen Sie in Ihrer App von vorn und wählen Sie ein anderes Konto, oder fragen Sie die Betreiber dieser Website.",
        )
    },
    unavailable: text(
        "Das funktioniert zurzeit nicht",
        "Etwas, das diese Website braucht, antwortet nicht.",
        "Die Störung liegt hier. Sie haben nichts falsch gemacht, und was Sie früher erlaubt haben, bleibt erlaubt.",
        "Warten Sie eine Minute und beginnen Sie dann in Ihrer App von vorn.",
    ),
    too_many_requests: text(
        "Zu viele Anfragen",
        "Diese Website hat aus Ihrem Netzwerk mehr Anfragen erhalten, als sie annimmt.",
        "Vielleicht versucht es eine App immer wieder, oder Sie teilen sich Ihr Netzwerk mit vielen Menschen.",
        "Warten Sie eine Minute und beginnen Sie dann in Ihrer App von vorn.",
    ),
    not_found: text(
        "Diese Seite gibt es nicht",
        "Unter dieser Adresse ist nichts zu finden.",
        "Vielleicht enthält die Adresse einen Tippfehler, oder sie ist veraltet.",
        "Prüfen Sie die Adresse. Wenn eine App Sie hierher geschickt hat, sagen Sie ihren Entwicklern Bescheid.",
    ),
    wrong_method: text(
        "Diese Seite lässt sich so nicht öffnen",
        "Diese Adresse nimmt entgegen, was eine Seite davor sendet, oder umgekehrt.",
        "Vielleicht haben Sie die Adresse eines einzelnen Schritts geöffnet.",
        "Beginnen Sie in Ihrer App von vorn. Wenn eine App Sie hierher geschickt hat, sagen Sie ihren Entwicklern Bescheid.",
    ),
};

const LANDING: LandingWords<'static> = LandingWords {
    title: "Eine Tür zu MCP-Servern",
    what: "Über diese Website können KI-Apps die Server unten für Sie nutzen, für jeden Menschen mit dem eigenen Konto.",
    how: "Kopieren Sie eine Adresse in Ihre App. Die App schickt Sie dann zur Anmeldung hierher, und nichts ist erlaubt, bevor Sie zustimmen.",
    servers: "Server",
    no_servers: "Noch gibt es keine Server.",
    your_connections: "Apps, die für Sie handeln dürfen",
};

const ACCOUNT: AccountWords<'static> = AccountWords {
    title: "Ihre Verbindungen",
    signed_in_as: &|person, provider| format!("Sie sind als {person} angemeldet ({provider})."),
    what: "Diese Apps dürfen für Sie handeln. Wenn Sie hier eine App entfernen, verliert sie ihren Zugriff sofort.",
    none: "Zurzeit darf keine App für Sie handeln.",
    uses: "Darf nutzen",
    answers_go_to: "Wo sie ist",
    on_a_computer: &|host| format!("auf einem Computer ({host})"),
    on_a_device: &|scheme| format!("auf einem Gerät ({scheme})"),
    may: "Darf tun",
    no_scopes: "Einfacher Zugriff",
    connected: "Verbundene Konten",
    since: "Erlaubt am",
    last_used: "Zuletzt aktiv",
    end: &|app| format!("{app} entfernen"),
    end_all: "Alle Apps entfernen",
    ended: &|provider| {
        format!(
            "Erledigt: Der Zugriff ist beendet. Bei {provider} steht diese Website vielleicht noch in der Liste Ihrer Apps; Sie können sie auch dort entfernen."
        )
    },
    signed_out: &|provider| {
        format!(
            "Sie sind hier abgemeldet. Apps behalten ihren Zugriff, und bei {provider} sind Sie vielleicht noch angemeldet."
        )
    },
    ended_here: "Erledigt: Der Zugriff ist beendet.",
    signed_out_here: "Sie sind in allen Browsern abgemeldet. Apps behalten ihren Zugriff.",
    sign_out: "Abmelden",
    sign_in: "Melden Sie sich an, um zu sehen, welche Apps für Sie handeln dürfen, und um ihren Zugriff zu beenden.",
    sign_in_with: &|provider| format!("Mit {provider} anmelden"),
    where_you_sign_in: "dem Dienst, mit dem Sie sich anmelden",
    date,
};

const LOCAL: LocalWords<'static> = LocalWords {
    label: "E-Mail",
    title: "Anmelden",
    email: "E-Mail-Adresse",
    password: "Passwort",
    new_password: "Neues Passwort",
    repeat: "Neues Passwort wiederholen",
    name: "Ihr Name (muss nicht sein)",
    code: "Code",
    enter: "Anmelden",
    mail_code: "Code per E-Mail erhalten",
    forgot: "Ich habe mein Passwort vergessen",
    sign_up: "Konto erstellen",
    cancel: "Abbrechen",
    how_mail: "Für einen Code, ein neues Passwort oder ein Konto müssen Sie nur Ihre E-Mail-Adresse eingeben.",
    forgot_without_mail: "Wenn Sie Ihr Passwort vergessen haben, fragen Sie die Betreiber dieser Website.",
    no_address: "Das ist keine E-Mail-Adresse. Sie sieht so aus: name@example.com.",
    wrong: "Die E-Mail-Adresse oder das Passwort stimmt nicht. Versuchen Sie es noch einmal.",
    disabled: "Ihr Konto ist nicht mehr in Gebrauch. Fragen Sie die Betreiber dieser Website.",
    too_many: &|minutes| {
        format!(
            "Jemand hat zu oft versucht, sich anzumelden, vielleicht gar nicht Sie. Versuchen Sie es in {} wieder.",
            count(minutes, "Minute", "Minuten")
        )
    },
    too_many_mails: &|minutes| {
        format!(
            "Es wurden zu viele E-Mails angefordert. Sehen Sie in Ihr Postfach, oder versuchen Sie es in {} wieder.",
            count(minutes, "Minute", "Minuten")
        )
    },
    mailed_title: "Sehen Sie in Ihr Postfach",
    sent_if_known: &|address| {
        format!(
            "Wenn es hier ein Konto für {address} gibt, haben wir soeben einen Code dorthin gesendet. Er gilt zehn Minuten."
        )
    },
    sent_if_new: &|address| {
        format!("Wir haben soeben eine E-Mail an {address} gesendet. Der Code darin gilt zehn Minuten.")
    },
    stay_here: "Geben Sie den Code hier ein, in diesem Fenster. Geben Sie ihn an niemanden weiter: Wir fragen nirgendwo sonst danach.",
    wrong_code: "Das ist nicht der Code, oder er stammt nicht aus der letzten E-Mail. Versuchen Sie es noch einmal.",
    back: "Nichts angekommen? Zurück und noch einmal versuchen",
    set_and_enter: "Passwort festlegen und anmelden",
    make_account: "Konto erstellen",
    password_hint: &|least| format!("Mindestens {least} Zeichen. Gut sind einige Wörter hintereinander."),
    too_short: &|least| format!("Das Passwort ist zu kurz: Es braucht mindestens {least} Zeichen."),
    too_long: &|most| format!("Das Passwort ist zu lang: Es darf höchstens {most} Zeichen haben."),
    guessable: "Dieses Passwort ist leicht zu erraten. Nehmen Sie eines, das länger oder ungewöhnlicher ist: einige Wörter hintereinander, die nicht zusammengehören.",
    different: "Die beiden Passwörter sind nicht gleich. Geben Sie beide noch einmal ein.",
    welcome_title: "Willkommen",
    welcome: "Sie wurden eingeladen, die Server dieser Website zu nutzen. Wählen Sie ein Passwort für Ihr Konto.",
    new_password_title: "Wählen Sie ein neues Passwort",
    new_password_then: "Ihr altes Passwort gilt nicht mehr. Apps, die für Sie gehandelt haben, müssen Sie wieder fragen.",
    set_password: "Passwort festlegen",
    password_set: "Ihr Passwort ist festgelegt",
    password_set_then: "Sie können dieses Fenster schließen und sich in Ihrer App mit Ihrer E-Mail-Adresse und diesem Passwort anmelden.",
};

const MAIL: MailWords<'static> = MailWords {
    code_subject: &|site| format!("Ihr Code für {site}"),
    sign_in_code: &|site, code| {
        format!("Ihr Code, um sich bei {site} anzumelden:\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}")
    },
    reset_code: &|site, code| {
        format!(
            "Ihr Code, um bei {site} ein neues Passwort festzulegen:\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}"
        )
    },
    sign_up_code: &|site, code| {
        format!("Ihr Code, um bei {site} ein Konto zu erstellen:\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}")
    },
    has_account_subject: &|site| format!("Sie haben ein Konto bei {site}"),
    has_account: &|site| {
        format!(
            "Jemand, vermutlich Sie selbst, wollte bei {site} mit dieser Adresse ein Konto erstellen. Sie haben schon eines: Melden Sie sich damit an. Wenn Sie das Passwort vergessen haben, können Sie auf der Seite, auf der Sie sich anmelden, ein neues festlegen.\n\nWenn Sie es nicht waren, müssen Sie nichts tun.\n"
        )
    },
    invitation_subject: &|site| format!("Sie sind zu {site} eingeladen"),
    invitation: &|site, link| {
        format!(
            "Sie sind eingeladen, die Server von {site} zu nutzen. Öffnen Sie diese Adresse, um ein Passwort zu wählen:\n\n{link}\n\nSie gilt eine Woche lang, und nur einmal. Geben Sie sie an niemanden weiter.\nWenn Sie nicht wissen, worum es geht, müssen Sie nichts tun.\n"
        )
    },
    reset_subject: &|site| format!("Wählen Sie ein neues Passwort für {site}"),
    reset_link: &|site, link| {
        format!(
            "Die Betreiber von {site} bitten Sie, ein neues Passwort zu wählen. Ihr altes gilt nicht mehr. Öffnen Sie diese Adresse:\n\n{link}\n\nSie gilt eine Woche lang, und nur einmal. Geben Sie sie an niemanden weiter.\n"
        )
    },
};

const GOOD_FOR: &str = "Er gilt zehn Minuten, und nur in dem Fenster, in dem Sie ihn angefordert haben.\n";
const NOT_YOU_CODE: &str = "Geben Sie ihn an niemanden weiter: Wer Sie danach fragt, gehört nicht zu uns.\n\nWenn Sie ihn nicht angefordert haben, müssen Sie nichts tun.\n";

fn date(date: Date) -> String {
    match month(date, &MONTHS) {
        Some(month) => format!("{}. {month} {}", date.day, date.year),
        None => date.to_string(),
    }
}

const MONTHS: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];
