//! The Spanish words, for Spain and America alike: people are called «usted».

use coatroom_protocol::words::Date;

use super::{
    AccountWords, ConnectWords, ConsentWords, ErrorWords, HandOverWords, LandingWords, LocalWords, MailWords,
    Words, count, month, text, told,
};

pub(super) static WORDS: Words<'static> = Words {
    lang: "es",
    dir: "ltr",
    nameless: "una aplicación sin nombre",
    unverified: "Sin verificar",
    served_by: &|site| format!("Está en {site}. Compárelo con la barra de direcciones de su navegador."),
    terms: "Condiciones",
    privacy: "Privacidad",
    support: "Ayuda",
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
    title: &|app, server| format!("¿Permitir que {app} use {server}?"),
    who: "Quién lo solicita",
    known_here: "Los responsables de este sitio conocen esta aplicación.",
    described_by: "Descrita por el sitio web",
    named_by_host: &|host| format!("Este nombre procede de {host}. Nadie más lo ha comprobado."),
    named_by_itself: "La propia aplicación eligió este nombre. Nadie lo ha comprobado.",
    gave_no_name: "La aplicación no ha dicho cómo se llama. Nadie ha comprobado quién es.",
    destination: "Adónde va su respuesta",
    to_website: "Su respuesta se envía a este sitio web.",
    to_this_computer: "Su respuesta se envía a una aplicación de este equipo.",
    to_app: &|scheme| {
        format!(
            "Su respuesta se envía a la aplicación de este dispositivo que abre los enlaces que empiezan por «{scheme}:»."
        )
    },
    full_address: "Dirección completa:",
    beware_computer: "Cualquier aplicación de este equipo puede usar cualquier nombre. Continúe solo si acaba de iniciar esto usted mismo.",
    beware_only_computer: &|host| {
        format!(
            "{host} no puede garantizar que se trate de esta aplicación: las respuestas para ella llegan siempre a su propio equipo, donde cualquier aplicación puede hacerse pasar por ella. Continúe solo si acaba de iniciar esto usted mismo."
        )
    },
    beware_app: "Cualquier aplicación de este dispositivo puede usar cualquier nombre. Continúe solo si acaba de iniciar esto usted mismo.",
    beware_letters: "El nombre de este sitio web contiene letras poco habituales. Puede que solo se parezca al de un sitio que usted conoce.",
    purpose: "Qué quiere usar",
    uses_account: &|provider| format!("Para ello se usa su cuenta de {provider}."),
    permissions_at: &|provider| format!("Permisos en {provider}:"),
    kept: &|app| format!("Su inicio de sesión se guarda aquí, cifrado. {app} no lo recibe nunca."),
    may: &|app| format!("Qué podrá hacer {app}"),
    no_scopes: "Solicita acceso básico y nada más.",
    may_untick: "Desmarque lo que no quiera permitir.",
    new: "Nuevo",
    allowed_before: "Esto ya lo permitió antes:",
    account: "Su decisión",
    decide: "Si continúa, permite todo lo que se indica arriba. Si no está seguro, cancele: entonces no pasará nada.",
    continue_with: &|provider| format!("Continuar con {provider}"),
    continue_as: &|person, provider| format!("Continuar como {person} ({provider})"),
    other_account: &|provider| format!("Usar otra cuenta ({provider})"),
    cancel: "Cancelar",
    end_later: "Puede consultar este acceso y ponerle fin en cualquier momento:",
    your_connections: "Sus conexiones",
};

const CONNECT: ConnectWords<'static> = ConnectWords {
    title: &|provider| format!("¿Conectar su cuenta de {provider}?"),
    purpose: "Qué está usando",
    needed: "Qué hace falta para esto",
    needs: &|provider| format!("Inicie sesión en {provider} y dé allí su consentimiento."),
    kept: &|app, server| {
        format!(
            "Su inicio de sesión se guarda aquí, cifrado, y {server} lo usa cuando {app} lo pide. {app} no lo recibe nunca."
        )
    },
    signed_in_as: &|person| format!("Ha iniciado sesión aquí como {person}."),
    decide: "Continúe solo si acaba de iniciar esto usted mismo. Si no está seguro, cancele: entonces no pasará nada.",
    sign_in_title: "Primero, inicie sesión",
    sign_in_why: "Este enlace sirve para una sola persona. Inicie sesión como lo hizo al conectar su aplicación, para que sepamos que es usted.",
    sign_in_with: &|provider| format!("Iniciar sesión con {provider}"),
    other_title: "Este enlace es para otra persona",
    other_happened: &|person| {
        format!("Ha iniciado sesión aquí como {person}, pero este enlace se creó para otra cuenta.")
    },
    other_beware: "Si alguien le ha enviado este enlace, no lo use: esa persona trabajaría entonces con la cuenta de usted.",
    other_next: "Si la otra cuenta también es suya, inicie sesión con ella. Si no, cierre esta página; no ha pasado nada.",
    other_account: &|provider| format!("Usar otra cuenta ({provider})"),
    connected: &|provider| format!("Cuenta de {provider} conectada"),
    connected_then: &|app| {
        format!(
            "Puede cerrar esta ventana y volver a {app}. Si la aplicación no continúa por sí sola, repita su petición."
        )
    },
    cancelled: "Cancelado",
    cancelled_then: &|provider, app| {
        format!("No se ha conectado su cuenta de {provider}. Puede cerrar esta ventana y volver a {app}.")
    },
};

const HAND_OVER: HandOverWords<'static> = HandOverWords {
    allowed: "Aquí ya está todo listo",
    cancelled: "Cancelado",
    failed: "No ha funcionado",
    allowed_then: &|app| format!("Va a volver a {app}."),
    cancelled_then: &|app| format!("No ha permitido nada. Así se le comunica a {app}."),
    failed_then: &|app| format!("No ha permitido nada. El motivo se le comunica a {app}."),
    return_to: &|app| format!("Volver a {app}"),
    cancelled_return_to: &|app| format!("Volver a {app}"),
    signing_in: &|provider| format!("De camino a {provider}"),
    signing_in_then: &|provider| format!("Va a iniciar sesión en {provider}. Después volverá aquí."),
    continue_to: &|provider| format!("Continuar a {provider}"),
    signed_in: "Ha iniciado sesión",
    signed_in_then: "Va a volver adonde estaba.",
    go_on: "Continuar",
    if_nothing_happens: "Si no pasa nada en unos segundos, use el botón.",
    close: "Cuando la aplicación continúe, puede cerrar esta ventana.",
};

const ERROR: ErrorWords<'static> = ErrorWords {
    cause: "Por qué",
    next: "Qué hacer ahora",
    return_to: &|receiver| format!("Volver a la aplicación ({receiver})"),
    for_developers: "Para los desarrolladores de la aplicación",
    status: "Estado",
    reference: "Referencia",
    unknown_client: text(
        "Esta aplicación no se conoce aquí",
        "Una aplicación le ha enviado aquí, pero su registro no se conoce aquí.",
        "Es probable que la aplicación use un registro antiguo. Usted no ha hecho nada mal.",
        "Abra su aplicación, quite de ella este servidor y vuelva a añadirlo. Si aun así le envía aquí, busque en sus ajustes de este servidor «Clear authentication», «Sign out» (cerrar sesión), «Disconnect» (desconectar) o «Reset» (restablecer).",
    ),
    blocked_client: text(
        "Esta aplicación está bloqueada",
        "Una aplicación le ha enviado aquí, pero los responsables de este sitio la han bloqueado.",
        "Es decisión suya. No tiene que ver con usted.",
        "Use otra aplicación o pregunte a los responsables de este sitio.",
    ),
    documents_off: text(
        "Este sitio no reconoce las aplicaciones por su dirección web",
        "Una aplicación le ha enviado aquí y se ha identificado con una dirección web. Las aplicaciones de este tipo no se pueden usar aquí por el momento.",
        "Así lo han decidido los responsables de este sitio, o el sitio no tiene acceso a internet. Usted no ha hecho nada mal.",
        "Actualice su aplicación, quite de ella este servidor y vuelva a añadirlo. Si no sirve, pregunte a los responsables de este sitio.",
    ),
    document_unreachable: |host| {
        told(
            format!("{host} no ha respondido"),
            format!(
                "Le ha enviado aquí una aplicación que se describe en {host}. No se ha podido obtener esa descripción."
            ),
            format!(
                "Es probable que haya un fallo en {host} o que la aplicación haya dado una dirección equivocada. Usted no ha hecho nada mal."
            ),
            "Espere un minuto y empiece de nuevo desde su aplicación.",
        )
    },
    document_refused: |host| {
        told(
            format!("Lo que {host} dice de la aplicación no es correcto"),
            format!(
                "Le ha enviado aquí una aplicación que se describe en {host}. Esa descripción contiene un error, y por eso nadie puede saber quién es la aplicación."
            ),
            format!("Es probable que el error sea de quienes hacen la aplicación en {host}, y no de usted."),
            "Si no estaba conectando una aplicación, cierre esta página. Si lo estaba, comunique a los desarrolladores de la aplicación lo que aparece abajo.",
        )
    },
    document_host: |host| {
        told(
            format!("Aquí no se pueden usar aplicaciones de {host}"),
            format!(
                "Le ha enviado aquí una aplicación que se describe en {host}. Este sitio no acepta aplicaciones de allí."
            ),
            "Así lo han decidido los responsables de este sitio. No tiene que ver con usted.".to_owned(),
            "Use otra aplicación o pregunte a los responsables de este sitio.",
        )
    },
    documents_busy: text(
        "Demasiadas aplicaciones a la vez",
        "Una aplicación le ha enviado aquí, y este sitio debe obtener antes lo que sus desarrolladores dicen de ella. En este momento está obteniendo demasiado.",
        "Puede que alguien lo intente una y otra vez. Usted no ha hecho nada mal.",
        "Espere un minuto y empiece de nuevo desde su aplicación.",
    ),
    unregistered_redirect: text(
        "La aplicación ha dado una dirección de retorno equivocada",
        "Una aplicación le ha enviado aquí, pero nos ha pedido que le devolvamos a una dirección que nunca registró.",
        "Es probable que sea un error de la aplicación. También puede ser alguien que se hace pasar por ella.",
        "Si no estaba conectando una aplicación, cierre esta página. Si lo estaba, quite este servidor de su aplicación y vuelva a añadirlo.",
    ),
    invalid_request: text(
        "La solicitud de la aplicación no es correcta",
        "Una aplicación le ha enviado aquí con una solicitud que no se puede entender.",
        "Es probable que sea un error de la aplicación, y no de usted.",
        "Empiece de nuevo desde su aplicación. Si no sirve, comunique a sus desarrolladores lo que aparece abajo.",
    ),
    expired: text(
        "Esta página es demasiado antigua",
        "La solicitud de esta página ha caducado o ya se ha respondido.",
        "Esto ocurre cuando una página permanece abierta mucho tiempo, se carga dos veces o se llega a ella con el botón Atrás.",
        "Si su aplicación ya funciona, cierre esta página. Si no, empiece de nuevo desde su aplicación.",
    ),
    link_expired: text(
        "Este enlace ya no funciona",
        "El enlace que ha abierto es demasiado antiguo o le falta una parte.",
        "Estos enlaces solo sirven durante unos minutos.",
        "Vuelva a su aplicación y repita su petición; entonces le dará un enlace nuevo.",
    ),
    link_used: text(
        "Este enlace ya no sirve",
        "Un enlace para establecer una contraseña sirve una sola vez, durante una semana, y solo mientras no haya otro más reciente.",
        "Ya se ha usado, es demasiado antiguo o solo se ha abierto una parte.",
        "Si ya ha establecido su contraseña, inicie sesión con ella desde su aplicación. Si no, pida un enlace nuevo a los responsables de este sitio.",
    ),
    grant_ended: text(
        "Esta aplicación ya no tiene acceso",
        "La aplicación para la que quería conectar una cuenta ya no tiene permiso para actuar en su nombre.",
        "Su acceso se retiró o caducó después de que se creara el enlace.",
        "Abra su aplicación e inicie sesión allí de nuevo.",
    ),
    other_user: text(
        "Ahora hay otra persona con la sesión iniciada",
        "Ha vuelto de conectar una cuenta, pero la persona que tiene aquí la sesión iniciada no es la que empezó.",
        "Entretanto, alguien ha iniciado o cerrado sesión en este navegador.",
        "No se ha conectado nada. Vuelva a su aplicación y repita su petición.",
    ),
    sign_in_failed: |provider| {
        told(
            format!("El inicio de sesión con {provider} ha fallado"),
            format!("{provider} le ha devuelto aquí, pero su respuesta no se ha podido aceptar."),
            format!(
                "Es probable que haya un fallo en {provider} o en la configuración de este sitio. Usted no ha hecho nada mal."
            ),
            "Empiece de nuevo desde su aplicación. Si vuelve a fallar, avise a los responsables de este sitio.",
        )
    },
    sign_in_refused: |provider| {
        told(
            format!("{provider} no le ha permitido iniciar sesión"),
            format!("{provider} ha rechazado el inicio de sesión."),
            format!("Puede que su cuenta o su organización en {provider} no lo permita."),
            "Pruebe con otra cuenta: empiece de nuevo desde su aplicación. O pregunte a quien administra su cuenta.",
        )
    },
    sign_in_cancelled: |provider| {
        told(
            "Ha cancelado el inicio de sesión".to_owned(),
            format!("El inicio de sesión con {provider} se ha cancelado. No se ha permitido nada."),
            "Usted, o alguien en este equipo, ha decidido cancelar.".to_owned(),
            "Si no era su intención, empiece de nuevo desde su aplicación.",
        )
    },
    provider_unavailable: |provider| {
        told(
            format!("No se puede acceder a {provider}"),
            format!("{provider} no responde en este momento."),
            format!("Es probable que haya un fallo en {provider}. Usted no ha hecho nada mal."),
            "Espere un minuto y empiece de nuevo desde su aplicación.",
        )
    },
    no_cookie: text(
        "No se reconoce su navegador",
        "Esta página se abrió en un navegador y se respondió en otro, o su navegador no guarda cookies de este sitio.",
        "Puede que las cookies estén bloqueadas o que el enlace se haya abierto en otra ventana, otro navegador u otro dispositivo.",
        "Permita las cookies de este sitio, empiece de nuevo desde su aplicación y siga en el mismo navegador.",
    ),
    not_allowed: |person, provider| {
        told(
            "Esta cuenta no se puede usar aquí".to_owned(),
            format!(
                "Ha iniciado sesión con {provider} como {person}. Esta cuenta no tiene permiso para usar este sitio."
            ),
            "Los responsables de este sitio deciden qué cuentas lo tienen, y esta no está entre ellas."
                .to_owned(),
            "Empiece de nuevo desde su aplicación y elija otra cuenta, o pregunte a los responsables de este sitio.",
        )
    },
    unavailable: text(
        "Esto no funciona en este momento",
        "Algo que este sitio necesita no responde.",
        "El fallo está aquí. Usted no ha hecho nada mal, y lo que permitió antes sigue permitido.",
        "Espere un minuto y empiece de nuevo desde su aplicación.",
    ),
    too_many_requests: text(
        "Demasiadas solicitudes",
        "Este sitio ha recibido de su red más solicitudes de las que acepta.",
        "Puede que una aplicación lo intente una y otra vez, o que usted comparta su red con muchas personas.",
        "Espere un minuto y empiece de nuevo desde su aplicación.",
    ),
    not_found: text(
        "Esta página no existe",
        "No hay nada en esta dirección.",
        "Puede que la dirección esté mal escrita o sea antigua.",
        "Revise la dirección. Si una aplicación le ha enviado aquí, avise a sus desarrolladores.",
    ),
    wrong_method: text(
        "Esta página no se puede abrir así",
        "Esta dirección espera lo que envía la página anterior, o al revés.",
        "Puede que haya abierto la dirección de un paso suelto.",
        "Empiece de nuevo desde su aplicación. Si una aplicación le ha enviado aquí, avise a sus desarrolladores.",
    ),
};

const LANDING: LandingWords<'static> = LandingWords {
    title: "Una puerta a servidores MCP",
    what: "Este sitio permite que las aplicaciones de IA usen para usted los servidores de abajo, cada persona con su propia cuenta.",
    how: "Copie una dirección en su aplicación. La aplicación le enviará aquí para iniciar sesión, y no se permite nada hasta que usted dé su consentimiento.",
    servers: "Servidores",
    no_servers: "Todavía no hay servidores.",
    your_connections: "Aplicaciones que pueden actuar en su nombre",
};

const ACCOUNT: AccountWords<'static> = AccountWords {
    title: "Sus conexiones",
    signed_in_as: &|person, provider| format!("Ha iniciado sesión como {person} ({provider})."),
    what: "Estas aplicaciones pueden actuar en su nombre. La aplicación que quite aquí pierde su acceso de inmediato.",
    none: "En este momento ninguna aplicación puede actuar en su nombre.",
    uses: "Puede usar",
    answers_go_to: "Dónde está",
    on_a_computer: &|host| format!("en un equipo ({host})"),
    on_a_device: &|scheme| format!("en un dispositivo ({scheme})"),
    may: "Puede hacer",
    no_scopes: "Acceso básico",
    connected: "Cuentas conectadas",
    since: "Permitida el",
    last_used: "Última actividad",
    end: &|app| format!("Quitar {app}"),
    end_all: "Quitar todas las aplicaciones",
    ended: &|provider| {
        format!(
            "Hecho: el acceso ha terminado. Puede que este sitio siga entre sus aplicaciones en {provider}; allí también puede quitarlo."
        )
    },
    signed_out: &|provider| {
        format!(
            "Ha cerrado la sesión aquí. Las aplicaciones conservan su acceso, y puede que su sesión siga iniciada en {provider}."
        )
    },
    ended_here: "Hecho: el acceso ha terminado.",
    signed_out_here: "Ha cerrado la sesión en todos los navegadores. Las aplicaciones conservan su acceso.",
    sign_out: "Cerrar sesión",
    sign_in: "Inicie sesión para ver qué aplicaciones pueden actuar en su nombre y para poner fin a su acceso.",
    sign_in_with: &|provider| format!("Iniciar sesión con {provider}"),
    where_you_sign_in: "el servicio con el que inicia sesión",
    date,
};

const LOCAL: LocalWords<'static> = LocalWords {
    label: "correo electrónico",
    title: "Iniciar sesión",
    email: "Correo electrónico",
    password: "Contraseña",
    new_password: "Contraseña nueva",
    repeat: "Repita la contraseña nueva",
    name: "Su nombre (puede dejarlo vacío)",
    code: "Código",
    enter: "Iniciar sesión",
    mail_code: "Recibir un código por correo electrónico",
    forgot: "He olvidado mi contraseña",
    sign_up: "Crear una cuenta",
    cancel: "Cancelar",
    how_mail: "Para un código, una contraseña nueva o una cuenta solo tiene que escribir su correo electrónico.",
    forgot_without_mail: "Si ha olvidado su contraseña, pregunte a los responsables de este sitio.",
    no_address: "Esto no es una dirección de correo electrónico. Tiene esta forma: nombre@example.com.",
    wrong: "El correo electrónico o la contraseña no son correctos. Inténtelo de nuevo.",
    disabled: "Su cuenta ya no está en uso. Pregunte a los responsables de este sitio.",
    too_many: &|minutes| {
        format!(
            "Alguien ha intentado iniciar sesión demasiadas veces, quizá no usted. Inténtelo de nuevo dentro de {}.",
            count(minutes, "minuto", "minutos")
        )
    },
    too_many_mails: &|minutes| {
        format!(
            "Se han solicitado demasiados correos. Mire en su buzón o inténtelo de nuevo dentro de {}.",
            count(minutes, "minuto", "minutos")
        )
    },
    mailed_title: "Mire en su buzón de correo",
    sent_if_known: &|address| {
        format!(
            "Si {address} tiene una cuenta aquí, acabamos de enviarle un código. Sirve durante diez minutos."
        )
    },
    sent_if_new: &|address| {
        format!("Acabamos de enviar un correo a {address}. Su código sirve durante diez minutos.")
    },
    stay_here: "Escriba el código aquí, en esta ventana. No se lo dé a nadie: nunca lo pedimos en otro lugar.",
    wrong_code: "Este no es el código, o no es el del último correo. Inténtelo de nuevo.",
    back: "¿No ha llegado nada? Volver e intentarlo de nuevo",
    set_and_enter: "Establecer la contraseña e iniciar sesión",
    make_account: "Crear la cuenta",
    password_hint: &|least| format!("Al menos {least} caracteres. Conviene usar varias palabras seguidas."),
    too_short: &|least| format!("La contraseña es demasiado corta: necesita al menos {least} caracteres."),
    too_long: &|most| format!("La contraseña es demasiado larga: puede tener {most} caracteres como máximo."),
    guessable: "Esta contraseña es fácil de adivinar. Elija una más larga o menos común: varias palabras seguidas que no tengan relación entre sí.",
    different: "Las dos contraseñas no coinciden. Escriba ambas de nuevo.",
    welcome_title: "Le damos la bienvenida",
    welcome: "Ha recibido una invitación para usar los servidores de este sitio. Elija una contraseña para su cuenta.",
    new_password_title: "Elija una contraseña nueva",
    new_password_then: "Su contraseña anterior ya no sirve. Las aplicaciones que actuaban en su nombre tienen que volver a pedirle permiso.",
    set_password: "Establecer la contraseña",
    password_set: "Su contraseña está establecida",
    password_set_then: "Puede cerrar esta ventana e iniciar sesión desde su aplicación con su correo electrónico y esta contraseña.",
};

const MAIL: MailWords<'static> = MailWords {
    code_subject: &|site| format!("Su código para {site}"),
    sign_in_code: &|site, code| {
        format!("Su código para iniciar sesión en {site}:\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}")
    },
    reset_code: &|site, code| {
        format!(
            "Su código para establecer una contraseña nueva en {site}:\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}"
        )
    },
    sign_up_code: &|site, code| {
        format!("Su código para crear una cuenta en {site}:\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}")
    },
    has_account_subject: &|site| format!("Tiene una cuenta en {site}"),
    has_account: &|site| {
        format!(
            "Alguien, probablemente usted, ha querido crear una cuenta en {site} con esta dirección. Ya tiene una: inicie sesión con ella. Si ha olvidado la contraseña, puede establecer una nueva en la página de inicio de sesión.\n\nSi no ha sido usted, no tiene que hacer nada.\n"
        )
    },
    invitation_subject: &|site| format!("Su invitación a {site}"),
    invitation: &|site, link| {
        format!(
            "Ha recibido una invitación para usar los servidores de {site}. Abra esta dirección para elegir una contraseña:\n\n{link}\n\nSirve durante una semana, y una sola vez. No se la dé a nadie.\nSi no sabe de qué se trata, no tiene que hacer nada.\n"
        )
    },
    reset_subject: &|site| format!("Elija una contraseña nueva para {site}"),
    reset_link: &|site, link| {
        format!(
            "Los responsables de {site} le piden que elija una contraseña nueva. La anterior ya no sirve. Abra esta dirección:\n\n{link}\n\nSirve durante una semana, y una sola vez. No se la dé a nadie.\n"
        )
    },
};

const GOOD_FOR: &str = "Sirve durante diez minutos, y solo en la ventana en la que lo ha solicitado.\n";
const NOT_YOU_CODE: &str = "No se lo dé a nadie: si alguien se lo pide, no somos nosotros.\n\nSi usted no lo ha solicitado, no tiene que hacer nada.\n";

fn date(date: Date) -> String {
    match month(date, &MONTHS) {
        Some(month) => format!("{} de {month} de {}", date.day, date.year),
        None => date.to_string(),
    }
}

const MONTHS: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];
