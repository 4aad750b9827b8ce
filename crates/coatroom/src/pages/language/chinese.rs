//! The Chinese words, in simplified characters. Names of apps and servers stand in “”; a space parts other names from the words
//! around them where they end in no Chinese character.

use coatroom_protocol::words::Date;

use super::{
    AccountWords, ConnectWords, ConsentWords, ErrorWords, HandOverWords, LandingWords, LocalWords, MailWords,
    Words, text, told,
};

pub(super) static WORDS: Words<'static> = Words {
    lang: "zh-Hans",
    dir: "ltr",
    nameless: "未命名的应用",
    unverified: "未经验证",
    served_by: &|site| format!("您当前位于 {site}。请与浏览器地址栏中的地址进行核对。"),
    terms: "条款",
    privacy: "隐私",
    support: "帮助",
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
    title: &|app, server| format!("允许“{app}”使用“{server}”吗？"),
    who: "请求方",
    known_here: "本网站的运营者了解此应用。",
    described_by: "说明此应用的网站",
    named_by_host: &|host| format!("此名称来自 {host}，未经其他任何人核实。"),
    named_by_itself: "此名称由应用自行填写，未经任何人核实。",
    gave_no_name: "该应用没有说明自己的名称，其身份未经任何人核实。",
    destination: "您的答复将发送到",
    to_website: "您的答复将发送到此网站。",
    to_this_computer: "您的答复将发送到此计算机上的应用。",
    to_app: &|scheme| format!("您的答复将发送到此设备上用于打开以“{scheme}:”开头的链接的应用。"),
    full_address: "完整地址：",
    beware_computer: "此计算机上的任何应用都可以使用任意名称。仅当您刚刚亲自发起此操作时，才继续。",
    beware_only_computer: &|host| {
        format!(
            "{host} 无法保证对方就是此应用：发给此应用的答复始终会送到您自己的计算机，而计算机上的任何应用都可以冒充它。仅当您刚刚亲自发起此操作时，才继续。"
        )
    },
    beware_app: "此设备上的任何应用都可以使用任意名称。仅当您刚刚亲自发起此操作时，才继续。",
    beware_letters: "此网站的名称含有不常见的字符，可能只是看起来像您知道的某个网站。",
    purpose: "想要使用的服务",
    uses_account: &|provider| format!("它将使用您的{}账号。", amid(provider)),
    permissions_at: &|provider| format!("{}的权限：", first(provider)),
    kept: &|app| format!("您的登录信息会加密保存在这里，“{app}”始终无法获得。"),
    may: &|app| format!("“{app}”将能够"),
    no_scopes: "只请求基本访问权限，别无其他。",
    may_untick: "请取消勾选您不想允许的项目。",
    new: "新增",
    allowed_before: "您以前已允许：",
    account: "您的决定",
    decide: "如果继续，即表示您允许以上列出的所有内容。如果不确定，请取消：那样什么都不会发生。",
    continue_with: &|provider| format!("使用{}继续", amid(provider)),
    continue_as: &|person, provider| format!("以{}的身份继续（{provider}）", amid(person)),
    other_account: &|provider| format!("使用其他账号（{provider}）"),
    cancel: "取消",
    end_later: "您可以随时查看和终止此访问权限：",
    your_connections: "您的已授权应用",
};

const CONNECT: ConnectWords<'static> = ConnectWords {
    title: &|provider| format!("关联您的{}账号吗？", amid(provider)),
    purpose: "正在使用的服务",
    needed: "需要完成的操作",
    needs: &|provider| format!("您需要登录{}，并在那里表示同意。", last(provider)),
    kept: &|app, server| {
        format!("您的登录信息会加密保存在这里，“{server}”会在“{app}”提出请求时使用。“{app}”始终无法获得。")
    },
    signed_in_as: &|person| format!("您已在此以{}的身份登录。", amid(person)),
    decide: "仅当您刚刚亲自发起此操作时，才继续。如果不确定，请取消：那样什么都不会发生。",
    sign_in_title: "请先登录",
    sign_in_why: "此链接仅供一人使用。请用您当初连接应用时的方式登录，以便我们确认是您本人。",
    sign_in_with: &|provider| format!("使用{}登录", amid(provider)),
    other_title: "此链接是给其他人的",
    other_happened: &|person| format!("您已在此以{}的身份登录，但此链接是为另一个账号生成的。", amid(person)),
    other_beware: "如果此链接是别人发给您的，请不要使用：否则对方就能使用您的账号。",
    other_next: "如果另一个账号也是您的，请用它登录。否则请关闭此页面；没有发生任何更改。",
    other_account: &|provider| format!("使用其他账号（{provider}）"),
    connected: &|provider| format!("已关联{}", last(provider)),
    connected_then: &|app| format!("您可以关闭此窗口并返回“{app}”。如果它没有自动继续，请再次向它提出请求。"),
    cancelled: "已取消",
    cancelled_then: &|provider, app| format!("未关联{}。您可以关闭此窗口并返回“{app}”。", last(provider)),
};

const HAND_OVER: HandOverWords<'static> = HandOverWords {
    allowed: "这里的操作已完成",
    cancelled: "已取消",
    failed: "操作未成功",
    allowed_then: &|app| format!("即将返回“{app}”。"),
    cancelled_then: &|app| format!("您没有允许任何内容。“{app}”会收到通知。"),
    failed_then: &|app| format!("您没有允许任何内容。“{app}”会收到原因说明。"),
    return_to: &|app| format!("返回“{app}”"),
    cancelled_return_to: &|app| format!("返回“{app}”"),
    signing_in: &|provider| format!("正在前往{}", last(provider)),
    signing_in_then: &|provider| format!("您将登录{}，然后返回这里。", last(provider)),
    continue_to: &|provider| format!("前往{}", last(provider)),
    signed_in: "您已登录",
    signed_in_then: "即将返回您之前的页面。",
    go_on: "继续",
    if_nothing_happens: "如果几秒钟内没有反应，请使用该按钮。",
    close: "应用继续运行后，您就可以关闭此窗口。",
};

const ERROR: ErrorWords<'static> = ErrorWords {
    cause: "原因",
    next: "现在该怎么办",
    return_to: &|receiver| format!("返回应用（{receiver}）"),
    for_developers: "供应用开发者参考",
    status: "状态",
    reference: "参考编号",
    unknown_client: text(
        "这里不认识此应用",
        "一个应用将您转到了这里，但这里没有它的注册信息。",
        "该应用可能使用了旧的注册信息。您没有做错什么。",
        "请打开您的应用，从中移除此服务器，然后重新添加。如果仍被转到这里，请在该应用中此服务器的设置里查找“Clear authentication”（清除身份验证）、“Sign out”（退出登录）、“Disconnect”（断开连接）或“Reset”（重置）。",
    ),
    blocked_client: text(
        "此应用已被禁用",
        "一个应用将您转到了这里，但本网站的运营者已将其禁用。",
        "这是运营者的决定，与您无关。",
        "请使用其他应用，或咨询本网站的运营者。",
    ),
    documents_off: text(
        "本网站不支持以网址标识身份的应用",
        "一个应用将您转到了这里，并以网址标识自己。此类应用目前无法在这里使用。",
        "这是本网站运营者的决定，或者本网站无法连接互联网。您没有做错什么。",
        "请更新您的应用，从中移除此服务器，然后重新添加。如果仍无法解决，请咨询本网站的运营者。",
    ),
    document_unreachable: |host| {
        told(
            format!("{host} 没有响应"),
            format!("一个由 {host} 说明的应用将您转到了这里，但无法获取该说明。"),
            format!("可能是 {host} 出现故障，或者应用提供的地址有误。您没有做错什么。"),
            "请等待一分钟，然后从您的应用重新开始。",
        )
    },
    document_refused: |host| {
        told(
            format!("{host} 上的应用说明有误"),
            format!("一个由 {host} 说明的应用将您转到了这里。该说明有误，因此谁也无法确认这是什么应用。"),
            format!("这可能是 {host} 的应用开发者的错误，不是您的错误。"),
            "如果您刚才并没有在连接应用，请关闭此页面。否则，请将下方内容告知应用的开发者。",
        )
    },
    document_host: |host| {
        told(
            format!("此处无法使用来自 {host} 的应用"),
            format!("一个由 {host} 说明的应用将您转到了这里。本网站不接受来自那里的应用。"),
            "这是本网站运营者的决定，与您无关。".to_owned(),
            "请使用其他应用，或咨询本网站的运营者。",
        )
    },
    documents_busy: text(
        "同时处理的应用过多",
        "一个应用将您转到了这里，本网站必须先获取其开发者对它的说明，但目前需要获取的内容过多。",
        "可能有人在反复尝试。您没有做错什么。",
        "请等待一分钟，然后从您的应用重新开始。",
    ),
    unregistered_redirect: text(
        "应用提供的返回地址有误",
        "一个应用将您转到了这里，但它要求我们将您送回一个它从未注册过的地址。",
        "这可能是应用的错误，也可能是有人在冒充该应用。",
        "如果您刚才并没有在连接应用，请关闭此页面。否则，请从您的应用中移除此服务器，然后重新添加。",
    ),
    invalid_request: text(
        "应用的请求有问题",
        "一个应用将您转到了这里，但它的请求无法识别。",
        "这可能是应用的错误，不是您的错误。",
        "请从您的应用重新开始。如果仍无法解决，请将下方内容告知其开发者。",
    ),
    expired: text(
        "此页面已过时",
        "此页面对应的请求已过期，或者已经答复过。",
        "页面打开时间过长、重复加载或通过“后退”按钮打开时，会出现这种情况。",
        "如果您的应用已可正常使用，请关闭此页面。否则，请从您的应用重新开始。",
    ),
    link_expired: text(
        "此链接已失效",
        "您打开的链接已过期或不完整。",
        "此类链接只在几分钟内有效。",
        "请返回您的应用，再次提出请求；它会为您提供新的链接。",
    ),
    link_used: text(
        "此链接不再有效",
        "设置密码的链接只能使用一次，有效期为一周，并且在有更新的链接后失效。",
        "它已被使用、已过期，或者只打开了其中一部分。",
        "如果您已设置密码，请从您的应用使用该密码登录。否则，请向本网站的运营者索取新的链接。",
    ),
    grant_ended: text(
        "此应用已没有访问权限",
        "您想为其关联账号的应用已不再被允许代表您操作。",
        "自链接生成以来，它的访问权限已被终止或已过期。",
        "请打开您的应用，并在其中重新登录。",
    ),
    other_user: text(
        "现在登录的是其他人",
        "您关联账号后返回到这里，但当前登录的人不是开始操作的人。",
        "在此期间，有人在此浏览器中登录或退出了登录。",
        "没有关联任何账号。请返回您的应用，再次提出请求。",
    ),
    sign_in_failed: |provider| {
        told(
            format!("使用{}登录失败", amid(provider)),
            format!("您已从{}返回，但其答复无法被接受。", amid(provider)),
            format!("可能是{}出现故障，或者本网站的设置有误。您没有做错什么。", amid(provider)),
            "请从您的应用重新开始。如果再次失败，请告知本网站的运营者。",
        )
    },
    sign_in_refused: |provider| {
        told(
            format!("{}未让您登录", first(provider)),
            format!("{}拒绝了此次登录。", first(provider)),
            format!("您在{}的账号或所属组织可能不允许此操作。", amid(provider)),
            "请尝试其他账号：从您的应用重新开始。或者咨询管理您账号的人员。",
        )
    },
    sign_in_cancelled: |provider| {
        told(
            "您已取消登录".to_owned(),
            format!("使用{}登录的操作已取消。没有允许任何内容。", amid(provider)),
            "您或使用此计算机的其他人选择了取消。".to_owned(),
            "如果您并非有意取消，请从您的应用重新开始。",
        )
    },
    provider_unavailable: |provider| {
        told(
            format!("无法连接到{}", last(provider)),
            format!("{}目前没有响应。", first(provider)),
            format!("可能是{}出现故障。您没有做错什么。", amid(provider)),
            "请等待一分钟，然后从您的应用重新开始。",
        )
    },
    no_cookie: text(
        "无法识别您的浏览器",
        "打开此页面和提交答复的不是同一个浏览器，或者您的浏览器没有保存本网站的 Cookie。",
        "Cookie 可能被阻止，或者链接是在其他窗口、浏览器或设备中打开的。",
        "请允许本网站使用 Cookie，然后从您的应用重新开始，并始终使用同一个浏览器。",
    ),
    not_allowed: |person, provider| {
        told(
            "此账号不能在这里使用".to_owned(),
            format!("您使用{}以{}的身份登录。此账号无权使用本网站。", amid(provider), amid(person)),
            "哪些账号可以使用由本网站的运营者决定，而此账号不在其中。".to_owned(),
            "请从您的应用重新开始并选择其他账号，或咨询本网站的运营者。",
        )
    },
    unavailable: text(
        "目前无法使用",
        "本网站所需的某项服务没有响应。",
        "这是这里的故障。您没有做错什么，您以前允许的内容仍然有效。",
        "请等待一分钟，然后从您的应用重新开始。",
    ),
    too_many_requests: text(
        "请求过多",
        "来自您所在网络的请求超过了本网站可接受的数量。",
        "可能有应用在反复尝试，或者您与许多人共用同一网络。",
        "请等待一分钟，然后从您的应用重新开始。",
    ),
    not_found: text(
        "此页面不存在",
        "此地址没有任何内容。",
        "地址可能有误或已过时。",
        "请检查地址。如果是应用将您转到了这里，请告知其开发者。",
    ),
    wrong_method: text(
        "无法以这种方式打开此页面",
        "此地址用于接收前一页面发送的内容，或者情况正好相反。",
        "您可能单独打开了某个步骤的地址。",
        "请从您的应用重新开始。如果是应用将您转到了这里，请告知其开发者。",
    ),
};

const LANDING: LandingWords<'static> = LandingWords {
    title: "通往 MCP 服务器的门户",
    what: "通过本网站，AI 应用可以代表您使用下列服务器，每个人都使用自己的账号。",
    how: "请将地址复制到您的应用中。应用随后会将您转到这里登录，在您同意之前不会允许任何内容。",
    servers: "服务器",
    no_servers: "目前还没有服务器。",
    your_connections: "可代表您操作的应用",
};

const ACCOUNT: AccountWords<'static> = AccountWords {
    title: "您的已授权应用",
    signed_in_as: &|person, provider| format!("您已以{}的身份登录（{provider}）。", amid(person)),
    what: "这些应用可以代表您操作。您在这里移除的应用会立即失去访问权限。",
    none: "目前没有应用可以代表您操作。",
    uses: "可以使用",
    answers_go_to: "所在位置",
    on_a_computer: &|host| format!("在计算机上（{host}）"),
    on_a_device: &|scheme| format!("在设备上（{scheme}）"),
    may: "可以进行",
    no_scopes: "基本访问",
    connected: "已关联的账号",
    since: "允许日期",
    last_used: "最近活动",
    end: &|app| format!("移除“{app}”"),
    end_all: "移除所有应用",
    ended: &|provider| {
        format!(
            "已完成：访问权限已终止。{}可能仍将本网站列在您的应用中；您也可以在那里将其移除。",
            first(provider)
        )
    },
    signed_out: &|provider| {
        format!("您已在此退出登录。应用仍保留其访问权限，并且您在{}可能仍处于登录状态。", amid(provider))
    },
    ended_here: "已完成：访问权限已终止。",
    signed_out_here: "您已在所有浏览器中退出登录。应用仍保留其访问权限。",
    sign_out: "退出登录",
    sign_in: "请登录，以查看哪些应用可以代表您操作，并终止其访问权限。",
    sign_in_with: &|provider| format!("使用{}登录", amid(provider)),
    where_you_sign_in: "您用来登录的服务",
    date,
};

const LOCAL: LocalWords<'static> = LocalWords {
    label: "电子邮箱",
    title: "登录",
    email: "电子邮箱地址",
    password: "密码",
    new_password: "新密码",
    repeat: "再次输入新密码",
    name: "您的姓名（可不填）",
    code: "验证码",
    enter: "登录",
    mail_code: "通过邮件接收验证码",
    forgot: "我忘记了密码",
    sign_up: "创建账号",
    cancel: "取消",
    how_mail: "如需验证码、新密码或账号，只需填写您的电子邮箱地址。",
    forgot_without_mail: "如果您忘记了密码，请咨询本网站的运营者。",
    no_address: "这不是电子邮箱地址。正确的格式类似于 name@example.com。",
    wrong: "电子邮箱地址或密码不正确。请重试。",
    disabled: "您的账号已停用。请咨询本网站的运营者。",
    too_many: &|minutes| format!("登录尝试次数过多，也可能不是您本人所为。请在 {minutes} 分钟后重试。"),
    too_many_mails: &|minutes| format!("请求的邮件过多。请查看您的收件箱，或在 {minutes} 分钟后重试。"),
    mailed_title: "请查看您的收件箱",
    sent_if_known: &|address| {
        format!("如果 {address} 在这里有账号，我们刚刚已向其发送了验证码。验证码在十分钟内有效。")
    },
    sent_if_new: &|address| format!("我们刚刚向 {address} 发送了一封邮件。其中的验证码在十分钟内有效。"),
    stay_here: "请在此窗口中输入验证码。请勿告诉任何人：我们绝不会在其他地方索要验证码。",
    wrong_code: "验证码不正确，或者不是最近一封邮件中的验证码。请重试。",
    back: "没有收到？返回重试",
    set_and_enter: "设置密码并登录",
    make_account: "创建账号",
    password_hint: &|least| format!("至少 {least} 个字符。可以使用几个连在一起的词语。"),
    too_short: &|least| format!("密码太短：至少需要 {least} 个字符。"),
    too_long: &|most| format!("密码太长：最多 {most} 个字符。"),
    guessable: "此密码很容易被猜到。请使用更长或更少见的密码：几个连在一起但互不相关的词语。",
    different: "两次输入的密码不一致。请重新输入。",
    welcome_title: "欢迎",
    welcome: "您已受邀使用本网站的服务器。请为您的账号设置密码。",
    new_password_title: "请设置新密码",
    new_password_then: "您的旧密码已失效。之前代表您操作的应用需要重新征求您的同意。",
    set_password: "设置密码",
    password_set: "密码已设置",
    password_set_then: "您可以关闭此窗口，并从您的应用使用电子邮箱地址和此密码登录。",
};

const MAIL: MailWords<'static> = MailWords {
    code_subject: &|site| format!("您的 {site} 验证码"),
    sign_in_code: &|site, code| {
        format!("您用于登录 {site} 的验证码：\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}")
    },
    reset_code: &|site, code| {
        format!("您用于在 {site} 设置新密码的验证码：\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}")
    },
    sign_up_code: &|site, code| {
        format!("您用于在 {site} 创建账号的验证码：\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}")
    },
    has_account_subject: &|site| format!("您在 {site} 已有账号"),
    has_account: &|site| {
        format!(
            "有人（可能是您本人）想用此地址在 {site} 创建账号。您已有账号：请使用它登录。如果忘记了密码，可以在登录页面设置新密码。\n\n如果不是您本人所为，则无需进行任何操作。\n"
        )
    },
    invitation_subject: &|site| format!("邀请您使用 {site}"),
    invitation: &|site, link| {
        format!(
            "您已受邀使用 {site} 的服务器。请打开以下地址设置密码：\n\n{link}\n\n此地址在一周内有效，且只能使用一次。请勿告诉任何人。\n如果您不清楚这是怎么回事，则无需进行任何操作。\n"
        )
    },
    reset_subject: &|site| format!("请为 {site} 设置新密码"),
    reset_link: &|site, link| {
        format!(
            "{site} 的运营者请您设置新密码。您的旧密码已失效。请打开以下地址：\n\n{link}\n\n此地址在一周内有效，且只能使用一次。请勿告诉任何人。\n"
        )
    },
};

const GOOD_FOR: &str = "验证码在十分钟内有效，且只能在您请求它的窗口中使用。\n";
const NOT_YOU_CODE: &str =
    "请勿告诉任何人：向您索要验证码的人绝不是我们。\n\n如果不是您本人请求的，则无需进行任何操作。\n";

/// A name between Chinese words.
fn amid(name: &str) -> String {
    let (before, after) = (space_at(name.chars()), space_at(name.chars().rev()));
    format!("{before}{name}{after}")
}

/// A name before Chinese words.
fn first(name: &str) -> String {
    format!("{name}{}", space_at(name.chars().rev()))
}

/// A name after Chinese words.
fn last(name: &str) -> String {
    format!("{}{name}", space_at(name.chars()))
}

/// The space that parts the end of a name, whose characters come first, from a Chinese word. The marks that keep a name apart from
/// the sentence (`isolated`) have no width.
fn space_at(mut end: impl Iterator<Item = char>) -> &'static str {
    let outermost = end.find(|c| !matches!(c, '\u{2068}' | '\u{2069}'));
    if outermost.is_some_and(|c| ('\u{2e80}'..='\u{ffef}').contains(&c)) { "" } else { " " }
}

fn date(date: Date) -> String {
    format!("{}年{}月{}日", date.year, date.month, date.day)
}
