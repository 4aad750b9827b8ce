//! The French words. A narrow no-break space stands before `;`, `!` and `?` and inside « », a no-break space before `:`; they are
//! written as escapes, because nobody sees them otherwise.

use coatroom_protocol::words::Date;

use super::{
    AccountWords, ConnectWords, ConsentWords, ErrorWords, HandOverWords, LandingWords, LocalWords, MailWords,
    Words, count, month, text, told,
};

pub(super) static WORDS: Words<'static> = Words {
    lang: "fr",
    dir: "ltr",
    nameless: "une application sans nom",
    unverified: "Non vérifiée",
    served_by: &|site| format!("Vous êtes sur {site}. Comparez avec la barre d’adresse de votre navigateur."),
    terms: "Conditions",
    privacy: "Confidentialité",
    support: "Aide",
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
    title: &|app, server| format!("Autoriser {app} à utiliser {server}\u{202f}?"),
    who: "Qui demande l’accès",
    known_here: "Les responsables de ce site connaissent cette application.",
    described_by: "Décrite par le site web",
    named_by_host: &|host| format!("Ce nom vient de {host}. Personne d’autre ne l’a vérifié."),
    named_by_itself: "L’application a choisi ce nom elle-même. Personne ne l’a vérifié.",
    gave_no_name: "L’application n’a pas indiqué son nom. Personne n’a vérifié qui elle est.",
    destination: "Où va votre réponse",
    to_website: "Votre réponse est envoyée à ce site web.",
    to_this_computer: "Votre réponse est envoyée à une application de cet ordinateur.",
    to_app: &|scheme| {
        format!(
            "Votre réponse est envoyée à l’application de cet appareil qui ouvre les liens commençant par «\u{202f}{scheme}:\u{202f}»."
        )
    },
    full_address: "Adresse complète\u{a0}:",
    beware_computer: "Toute application de cet ordinateur peut prendre n’importe quel nom. Ne continuez que si vous venez de lancer cette demande vous-même.",
    beware_only_computer: &|host| {
        format!(
            "{host} ne peut pas garantir qu’il s’agit de cette application\u{a0}: les réponses destinées à celle-ci arrivent toujours sur votre propre ordinateur, où n’importe quelle application peut se faire passer pour elle. Ne continuez que si vous venez de lancer cette demande vous-même."
        )
    },
    beware_app: "Toute application de cet appareil peut prendre n’importe quel nom. Ne continuez que si vous venez de lancer cette demande vous-même.",
    beware_letters: "Le nom de ce site web contient des lettres inhabituelles. Il ne fait peut-être que ressembler à celui d’un site que vous connaissez.",
    purpose: "Ce que l’application veut utiliser",
    uses_account: &|provider| format!("Votre compte {provider} est utilisé pour cela."),
    permissions_at: &|provider| format!("Autorisations chez {provider}\u{a0}:"),
    kept: &|app| format!("Votre connexion est conservée ici, chiffrée. {app} ne la reçoit jamais."),
    may: &|app| format!("Ce que {app} pourra faire"),
    no_scopes: "L’application demande un accès de base et rien de plus.",
    may_untick: "Décochez ce que vous ne voulez pas autoriser.",
    new: "Nouveau",
    allowed_before: "Vous avez déjà autorisé\u{a0}:",
    account: "Votre décision",
    decide: "Si vous continuez, vous autorisez tout ce qui est indiqué ci-dessus. En cas de doute, annulez\u{a0}: il ne se passera rien.",
    continue_with: &|provider| format!("Continuer {}", with(provider)),
    continue_as: &|person, provider| format!("Continuer en tant que {person} ({provider})"),
    other_account: &|provider| format!("Utiliser un autre compte ({provider})"),
    cancel: "Annuler",
    end_later: "Vous pouvez consulter cet accès et y mettre fin à tout moment\u{a0}:",
    your_connections: "Vos applications autorisées",
};

const CONNECT: ConnectWords<'static> = ConnectWords {
    title: &|provider| format!("Associer votre compte {provider}\u{202f}?"),
    purpose: "Ce que l’application utilise",
    needed: "Ce qu’il faut pour cela",
    needs: &|provider| format!("Vous vous connectez chez {provider} et y donnez votre accord."),
    kept: &|app, server| {
        format!(
            "Votre connexion est conservée ici, chiffrée, et {server} s’en sert quand {app} le demande. {app} ne la reçoit jamais."
        )
    },
    signed_in_as: &|person| format!("Vous êtes connecté ici en tant que {person}."),
    decide: "Ne continuez que si vous venez de lancer cette demande vous-même. En cas de doute, annulez\u{a0}: il ne se passera rien.",
    sign_in_title: "Connectez-vous d’abord",
    sign_in_why: "Ce lien n’est valable que pour une seule personne. Connectez-vous comme lorsque vous avez relié votre application, afin que nous sachions que c’est bien vous.",
    sign_in_with: &|provider| format!("Se connecter {}", with(provider)),
    other_title: "Ce lien est destiné à quelqu’un d’autre",
    other_happened: &|person| {
        format!("Vous êtes connecté ici en tant que {person}, mais ce lien a été créé pour un autre compte.")
    },
    other_beware: "Si quelqu’un vous a envoyé ce lien, ne l’utilisez pas\u{a0}: cette personne travaillerait alors avec votre compte.",
    other_next: "Si l’autre compte est aussi le vôtre, connectez-vous avec celui-ci. Sinon, fermez cette page\u{202f}; il ne s’est rien passé.",
    other_account: &|provider| format!("Utiliser un autre compte ({provider})"),
    connected: &|provider| format!("Compte {provider} associé"),
    connected_then: &|app| {
        format!(
            "Vous pouvez fermer cette fenêtre et revenir à {app}. Si rien ne s’y passe, refaites votre demande."
        )
    },
    cancelled: "Annulé",
    cancelled_then: &|provider, app| {
        format!(
            "Votre compte {provider} n’a pas été associé. Vous pouvez fermer cette fenêtre et revenir à {app}."
        )
    },
};

const HAND_OVER: HandOverWords<'static> = HandOverWords {
    allowed: "Tout est terminé ici",
    cancelled: "Annulé",
    failed: "Cela n’a pas fonctionné",
    allowed_then: &|app| format!("Vous allez revenir à {app}."),
    cancelled_then: &|app| format!("Vous n’avez rien autorisé. Cette réponse est transmise à {app}."),
    failed_then: &|app| format!("Vous n’avez rien autorisé. La raison est transmise à {app}."),
    return_to: &|app| format!("Revenir à {app}"),
    cancelled_return_to: &|app| format!("Revenir à {app}"),
    signing_in: &|provider| format!("En route vers {provider}"),
    signing_in_then: &|provider| {
        format!("Vous allez vous connecter chez {provider}. Ensuite, vous reviendrez ici.")
    },
    continue_to: &|provider| format!("Continuer vers {provider}"),
    signed_in: "Vous êtes connecté",
    signed_in_then: "Vous allez revenir là où vous étiez.",
    go_on: "Continuer",
    if_nothing_happens: "Si rien ne se passe dans les prochaines secondes, utilisez le bouton.",
    close: "Dès que l’application continue, vous pouvez fermer cette fenêtre.",
};

const ERROR: ErrorWords<'static> = ErrorWords {
    cause: "Pourquoi",
    next: "Que faire maintenant",
    return_to: &|receiver| format!("Revenir à l’application ({receiver})"),
    for_developers: "Pour les développeurs de l’application",
    status: "Statut",
    reference: "Référence",
    unknown_client: text(
        "Cette application n’est pas connue ici",
        "Une application vous a envoyé ici, mais son enregistrement n’est pas connu ici.",
        "L’application utilise sans doute un ancien enregistrement. Vous n’avez rien fait de mal.",
        "Ouvrez votre application, retirez-en ce serveur, puis ajoutez-le de nouveau. Si elle vous renvoie encore ici, cherchez dans ses réglages pour ce serveur «\u{202f}Clear authentication\u{202f}», «\u{202f}Sign out\u{202f}» (se déconnecter), «\u{202f}Disconnect\u{202f}» (dissocier) ou «\u{202f}Reset\u{202f}» (réinitialiser).",
    ),
    blocked_client: text(
        "Cette application est bloquée",
        "Une application vous a envoyé ici, mais les responsables de ce site l’ont bloquée.",
        "C’est leur décision. Vous n’y êtes pour rien.",
        "Utilisez une autre application ou adressez-vous aux responsables de ce site.",
    ),
    documents_off: text(
        "Ce site ne reconnaît pas les applications à leur adresse web",
        "Une application vous a envoyé ici en se désignant par une adresse web. Les applications de ce type ne peuvent pas être utilisées ici pour le moment.",
        "Les responsables de ce site en ont décidé ainsi, ou bien ce site n’a pas accès à Internet. Vous n’avez rien fait de mal.",
        "Mettez votre application à jour, retirez-en ce serveur, puis ajoutez-le de nouveau. Si cela ne suffit pas, adressez-vous aux responsables de ce site.",
    ),
    document_unreachable: |host| {
        told(
            format!("{host} n’a pas répondu"),
            format!(
                "Une application décrite sur {host} vous a envoyé ici. Cette description n’a pas pu être récupérée."
            ),
            format!(
                "Il s’agit sans doute d’une panne chez {host}, ou l’application a donné une mauvaise adresse. Vous n’avez rien fait de mal."
            ),
            "Attendez une minute, puis recommencez depuis votre application.",
        )
    },
    document_refused: |host| {
        told(
            format!("Ce que {host} dit de l’application est incorrect"),
            format!(
                "Une application décrite sur {host} vous a envoyé ici. Cette description contient une erreur\u{202f}; personne ne peut donc savoir qui est l’application."
            ),
            format!("L’erreur vient sans doute de ceux qui font l’application sur {host}, et non de vous."),
            "Si vous n’étiez pas en train de relier une application, fermez cette page. Sinon, transmettez aux développeurs de l’application ce qui figure ci-dessous.",
        )
    },
    document_host: |host| {
        told(
            format!("Les applications décrites sur {host} ne peuvent pas être utilisées ici"),
            format!(
                "Une application décrite sur {host} vous a envoyé ici. Ce site n’accepte pas les applications venant de là."
            ),
            "Les responsables de ce site en ont décidé ainsi. Vous n’y êtes pour rien.".to_owned(),
            "Utilisez une autre application ou adressez-vous aux responsables de ce site.",
        )
    },
    documents_busy: text(
        "Trop d’applications à la fois",
        "Une application vous a envoyé ici, et ce site doit d’abord récupérer ce que ses développeurs disent d’elle. Il en récupère trop en ce moment.",
        "Quelqu’un réessaie peut-être sans cesse. Vous n’avez rien fait de mal.",
        "Attendez une minute, puis recommencez depuis votre application.",
    ),
    unregistered_redirect: text(
        "L’application a donné une mauvaise adresse de retour",
        "Une application vous a envoyé ici, mais elle nous a demandé de vous renvoyer à une adresse qu’elle n’a jamais enregistrée.",
        "Il s’agit sans doute d’une erreur de l’application. Il peut aussi s’agir de quelqu’un qui se fait passer pour elle.",
        "Si vous n’étiez pas en train de relier une application, fermez cette page. Sinon, retirez ce serveur de votre application, puis ajoutez-le de nouveau.",
    ),
    invalid_request: text(
        "La demande de l’application est incorrecte",
        "Une application vous a envoyé ici avec une demande incompréhensible.",
        "Il s’agit sans doute d’une erreur de l’application, et non de vous.",
        "Recommencez depuis votre application. Si cela ne suffit pas, transmettez à ses développeurs ce qui figure ci-dessous.",
    ),
    expired: text(
        "Cette page est trop ancienne",
        "La demande à l’origine de cette page a expiré ou a déjà reçu une réponse.",
        "Cela arrive quand une page reste longtemps ouverte, est chargée deux fois ou est rouverte avec le bouton Retour.",
        "Si votre application fonctionne déjà, fermez cette page. Sinon, recommencez depuis votre application.",
    ),
    link_expired: text(
        "Ce lien ne fonctionne plus",
        "Le lien que vous avez ouvert est trop ancien, ou il est incomplet.",
        "Ces liens ne sont valables que quelques minutes.",
        "Revenez à votre application et refaites-lui votre demande\u{202f}; elle vous donnera un nouveau lien.",
    ),
    link_used: text(
        "Ce lien n’est plus valable",
        "Un lien pour définir un mot de passe sert une seule fois, pendant une semaine, et seulement tant qu’il n’y en a pas de plus récent.",
        "Il a déjà servi, il est trop ancien, ou seule une partie en a été ouverte.",
        "Si vous avez défini votre mot de passe, connectez-vous avec lui depuis votre application. Sinon, demandez un nouveau lien aux responsables de ce site.",
    ),
    grant_ended: text(
        "Cette application n’a plus d’accès",
        "L’application pour laquelle vous vouliez associer un compte n’a plus le droit d’agir pour vous.",
        "Son accès a été retiré ou a expiré depuis la création du lien.",
        "Ouvrez votre application et connectez-vous-y de nouveau.",
    ),
    other_user: text(
        "Quelqu’un d’autre est maintenant connecté",
        "Vous revenez après avoir associé un compte, mais la personne connectée ici n’est pas celle qui avait commencé.",
        "Entre-temps, quelqu’un s’est connecté ou déconnecté dans ce navigateur.",
        "Rien n’a été associé. Revenez à votre application et refaites-lui votre demande.",
    ),
    sign_in_failed: |provider| {
        told(
            format!("La connexion {} a échoué", with(provider)),
            format!("Vous revenez de chez {provider}, mais la réponse n’a pas pu être acceptée."),
            format!(
                "Il s’agit sans doute d’une panne chez {provider} ou d’une erreur dans la configuration de ce site. Vous n’avez rien fait de mal."
            ),
            "Recommencez depuis votre application. En cas de nouvel échec, prévenez les responsables de ce site.",
        )
    },
    sign_in_refused: |provider| {
        told(
            format!("{provider} ne vous a pas laissé vous connecter"),
            format!("{provider} a refusé la connexion."),
            format!("Votre compte ou votre organisation chez {provider} ne l’autorise peut-être pas."),
            "Essayez un autre compte\u{a0}: recommencez depuis votre application. Ou adressez-vous à la personne qui gère votre compte.",
        )
    },
    sign_in_cancelled: |provider| {
        told(
            "Vous avez annulé la connexion".to_owned(),
            format!("La connexion {} a été annulée. Rien n’a été autorisé.", with(provider)),
            "Vous-même, ou quelqu’un devant cet ordinateur, avez choisi d’annuler.".to_owned(),
            "Si c’était une erreur, recommencez depuis votre application.",
        )
    },
    provider_unavailable: |provider| {
        told(
            format!("{provider} est injoignable"),
            format!("{provider} ne répond pas en ce moment."),
            format!("Il s’agit sans doute d’une panne chez {provider}. Vous n’avez rien fait de mal."),
            "Attendez une minute, puis recommencez depuis votre application.",
        )
    },
    no_cookie: text(
        "Votre navigateur n’a pas été reconnu",
        "Cette page a été ouverte dans un navigateur et validée dans un autre, ou votre navigateur ne conserve pas de cookies pour ce site.",
        "Les cookies sont peut-être bloqués, ou le lien a été ouvert dans une autre fenêtre, un autre navigateur ou sur un autre appareil.",
        "Autorisez les cookies pour ce site, puis recommencez depuis votre application et restez dans le même navigateur.",
    ),
    not_allowed: |person, provider| {
        told(
            "Ce compte ne peut pas être utilisé ici".to_owned(),
            format!(
                "Vous vous êtes connecté {} en tant que {person}. Ce compte n’a pas le droit d’utiliser ce site.",
                with(provider)
            ),
            "Les responsables de ce site décident quels comptes y ont droit, et celui-ci n’en fait pas partie."
                .to_owned(),
            "Recommencez depuis votre application et choisissez un autre compte, ou adressez-vous aux responsables de ce site.",
        )
    },
    unavailable: text(
        "Cela ne fonctionne pas pour le moment",
        "Un élément dont ce site a besoin ne répond pas.",
        "La panne vient d’ici. Vous n’avez rien fait de mal, et ce que vous avez déjà autorisé le reste.",
        "Attendez une minute, puis recommencez depuis votre application.",
    ),
    too_many_requests: text(
        "Trop de demandes",
        "Ce site a reçu de votre réseau plus de demandes qu’il n’en accepte.",
        "Une application réessaie peut-être sans cesse, ou vous partagez votre réseau avec beaucoup de monde.",
        "Attendez une minute, puis recommencez depuis votre application.",
    ),
    not_found: text(
        "Cette page n’existe pas",
        "Il n’y a rien à cette adresse.",
        "L’adresse est peut-être mal écrite ou ancienne.",
        "Vérifiez l’adresse. Si une application vous a envoyé ici, prévenez ses développeurs.",
    ),
    wrong_method: text(
        "Cette page ne s’ouvre pas de cette façon",
        "Cette adresse attend ce qu’envoie la page précédente, ou l’inverse.",
        "Vous avez peut-être ouvert l’adresse d’une étape isolée.",
        "Recommencez depuis votre application. Si une application vous a envoyé ici, prévenez ses développeurs.",
    ),
};

const LANDING: LandingWords<'static> = LandingWords {
    title: "Une porte vers des serveurs MCP",
    what: "Ce site permet à des applications d’IA d’utiliser pour vous les serveurs ci-dessous, chaque personne avec son propre compte.",
    how: "Copiez une adresse dans votre application. Elle vous enverra ici pour vous connecter, et rien n’est autorisé avant votre accord.",
    servers: "Serveurs",
    no_servers: "Il n’y a pas encore de serveur.",
    your_connections: "Applications autorisées à agir pour vous",
};

const ACCOUNT: AccountWords<'static> = AccountWords {
    title: "Vos applications autorisées",
    signed_in_as: &|person, provider| format!("Vous êtes connecté en tant que {person} ({provider})."),
    what: "Ces applications peuvent agir pour vous. Une application que vous retirez ici perd aussitôt son accès.",
    none: "Aucune application ne peut agir pour vous en ce moment.",
    uses: "Peut utiliser",
    answers_go_to: "Où elle se trouve",
    on_a_computer: &|host| format!("sur un ordinateur ({host})"),
    on_a_device: &|scheme| format!("sur un appareil ({scheme})"),
    may: "Peut faire",
    no_scopes: "Accès de base",
    connected: "Comptes associés",
    since: "Autorisée le",
    last_used: "Dernière activité",
    end: &|app| format!("Retirer {app}"),
    end_all: "Retirer toutes les applications",
    ended: &|provider| {
        format!(
            "C’est fait\u{a0}: l’accès a pris fin. Ce site figure peut-être encore parmi vos applications sur {provider}\u{202f}; vous pouvez l’y retirer aussi."
        )
    },
    signed_out: &|provider| {
        format!(
            "Vous êtes déconnecté ici. Les applications gardent leur accès, et votre session est peut-être encore ouverte sur {provider}."
        )
    },
    ended_here: "C’est fait\u{a0}: l’accès a pris fin.",
    signed_out_here: "Vous êtes déconnecté, dans tous les navigateurs. Les applications gardent leur accès.",
    sign_out: "Se déconnecter",
    sign_in: "Connectez-vous pour voir quelles applications peuvent agir pour vous et pour mettre fin à leur accès.",
    sign_in_with: &|provider| format!("Se connecter {}", with(provider)),
    where_you_sign_in: "le service avec lequel vous vous connectez",
    date,
};

const LOCAL: LocalWords<'static> = LocalWords {
    label: BY_MAIL,
    title: "Connexion",
    email: "Adresse e-mail",
    password: "Mot de passe",
    new_password: "Nouveau mot de passe",
    repeat: "Répétez le nouveau mot de passe",
    name: "Votre nom (facultatif)",
    code: "Code",
    enter: "Se connecter",
    mail_code: "Recevoir un code par e-mail",
    forgot: "J’ai oublié mon mot de passe",
    sign_up: "Créer un compte",
    cancel: "Annuler",
    how_mail: "Pour un code, un nouveau mot de passe ou un compte, il suffit de saisir votre adresse e-mail.",
    forgot_without_mail: "Si vous avez oublié votre mot de passe, adressez-vous aux responsables de ce site.",
    no_address: "Ceci n’est pas une adresse e-mail. Une adresse ressemble à nom@example.com.",
    wrong: "L’adresse e-mail ou le mot de passe est incorrect. Réessayez.",
    disabled: "Votre compte n’est plus en service. Adressez-vous aux responsables de ce site.",
    too_many: &|minutes| {
        format!(
            "Quelqu’un a essayé trop souvent de se connecter, peut-être pas vous. Réessayez dans {}.",
            count(minutes, "minute", "minutes")
        )
    },
    too_many_mails: &|minutes| {
        format!(
            "Trop d’e-mails ont été demandés. Consultez votre boîte de réception ou réessayez dans {}.",
            count(minutes, "minute", "minutes")
        )
    },
    mailed_title: "Consultez votre boîte de réception",
    sent_if_known: &|address| {
        format!("Si {address} a un compte ici, nous venons d’y envoyer un code. Il est valable dix minutes.")
    },
    sent_if_new: &|address| {
        format!("Nous venons d’envoyer un e-mail à {address}. Son code est valable dix minutes.")
    },
    stay_here: "Saisissez le code ici, dans cette fenêtre. Ne le donnez à personne\u{a0}: nous ne le demandons jamais ailleurs.",
    wrong_code: "Ce n’est pas le bon code, ou pas celui du dernier e-mail. Réessayez.",
    back: "Rien reçu\u{202f}? Revenir en arrière et réessayer",
    set_and_enter: "Définir le mot de passe et se connecter",
    make_account: "Créer le compte",
    password_hint: &|least| format!("Au moins {least} caractères. Une suite de quelques mots convient bien."),
    too_short: &|least| {
        format!("Le mot de passe est trop court\u{a0}: il lui faut au moins {least} caractères.")
    },
    too_long: &|most| {
        format!("Le mot de passe est trop long\u{a0}: il peut avoir {most} caractères au plus.")
    },
    guessable: "Ce mot de passe est facile à deviner. Choisissez-en un plus long ou moins courant\u{a0}: une suite de quelques mots sans rapport entre eux.",
    different: "Les deux mots de passe sont différents. Saisissez-les tous deux de nouveau.",
    welcome_title: "Bienvenue",
    welcome: "Vous avez reçu une invitation à utiliser les serveurs de ce site. Choisissez un mot de passe pour votre compte.",
    new_password_title: "Choisissez un nouveau mot de passe",
    new_password_then: "Votre ancien mot de passe n’est plus valable. Les applications qui agissaient pour vous devront vous redemander l’accès.",
    set_password: "Définir le mot de passe",
    password_set: "Votre mot de passe est défini",
    password_set_then: "Vous pouvez fermer cette fenêtre et vous connecter depuis votre application avec votre adresse e-mail et ce mot de passe.",
};

const MAIL: MailWords<'static> = MailWords {
    code_subject: &|site| format!("Votre code pour {site}"),
    sign_in_code: &|site, code| {
        format!("Votre code pour vous connecter à {site}\u{a0}:\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}")
    },
    reset_code: &|site, code| {
        format!(
            "Votre code pour définir un nouveau mot de passe sur {site}\u{a0}:\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}"
        )
    },
    sign_up_code: &|site, code| {
        format!("Votre code pour créer un compte sur {site}\u{a0}:\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}")
    },
    has_account_subject: &|site| format!("Vous avez un compte sur {site}"),
    has_account: &|site| {
        format!(
            "Quelqu’un, sans doute vous, a voulu créer un compte sur {site} avec cette adresse. Vous en avez déjà un\u{a0}: connectez-vous avec celui-ci. Si vous avez oublié le mot de passe, vous pouvez en définir un nouveau sur la page de connexion.\n\nSi ce n’était pas vous, vous n’avez rien à faire.\n"
        )
    },
    invitation_subject: &|site| format!("Votre invitation à utiliser {site}"),
    invitation: &|site, link| {
        format!(
            "Vous avez reçu une invitation à utiliser les serveurs de {site}. Ouvrez cette adresse pour choisir un mot de passe\u{a0}:\n\n{link}\n\nElle est valable une semaine, et une seule fois. Ne la donnez à personne.\nSi vous ne savez pas de quoi il s’agit, vous n’avez rien à faire.\n"
        )
    },
    reset_subject: &|site| format!("Choisissez un nouveau mot de passe pour {site}"),
    reset_link: &|site, link| {
        format!(
            "Les responsables de {site} vous demandent de choisir un nouveau mot de passe. L’ancien n’est plus valable. Ouvrez cette adresse\u{a0}:\n\n{link}\n\nElle est valable une semaine, et une seule fois. Ne la donnez à personne.\n"
        )
    },
};

const GOOD_FOR: &str = "Il est valable dix minutes, et seulement dans la fenêtre où vous l’avez demandé.\n";
const NOT_YOU_CODE: &str = "Ne le donnez à personne\u{a0}: si quelqu’un vous le demande, ce n’est pas nous.\n\nSi vous n’avez rien demandé, vous n’avez rien à faire.\n";

/// What local accounts are called.
const BY_MAIL: &str = "e-mail";

/// How somebody signs in: with a provider, and by e-mail.
fn with(provider: &str) -> String {
    let word = if provider == BY_MAIL { "par" } else { "avec" };
    format!("{word} {provider}")
}

fn date(date: Date) -> String {
    match month(date, &MONTHS) {
        Some(month) if date.day == 1 => format!("1er {month} {}", date.year),
        Some(month) => format!("{} {month} {}", date.day, date.year),
        None => date.to_string(),
    }
}

const MONTHS: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];
