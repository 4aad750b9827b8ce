//! The Japanese words, in the polite form. Names of apps and servers stand in 「」, because nothing else parts them from the words
//! around them.

use coatroom_protocol::words::Date;

use super::{
    AccountWords, ConnectWords, ConsentWords, ErrorWords, HandOverWords, LandingWords, LocalWords, MailWords,
    Words, text, told,
};

pub(super) static WORDS: Words<'static> = Words {
    lang: "ja",
    dir: "ltr",
    nameless: "名前のないアプリ",
    unverified: "未確認",
    served_by: &|site| {
        format!("現在のサイトは{site}です。ブラウザーのアドレスバーと同じであることをお確かめください。")
    },
    terms: "利用規約",
    privacy: "プライバシー",
    support: "ヘルプ",
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
    title: &|app, server| format!("「{app}」に「{server}」の利用を許可しますか？"),
    who: "許可を求めているアプリ",
    known_here: "このアプリは、このサイトの運営者が把握しています。",
    described_by: "アプリの説明を公開しているサイト",
    named_by_host: &|host| format!("この名前は{host}によるものです。ほかには誰も確認していません。"),
    named_by_itself: "この名前はアプリ自身が名乗ったものです。誰も確認していません。",
    gave_no_name: "アプリは名前を名乗っていません。どのアプリなのか、誰も確認していません。",
    destination: "回答の送信先",
    to_website: "回答はこのサイトに送信されます。",
    to_this_computer: "回答はこのコンピューター上のアプリに送信されます。",
    to_app: &|scheme| {
        format!("回答は、このデバイスで「{scheme}:」で始まるリンクを開くアプリに送信されます。")
    },
    full_address: "アドレスの全体：",
    beware_computer: "このコンピューター上のアプリは、どんな名前でも名乗ることができます。ご自身で今この操作を始めた場合にのみ続行してください。",
    beware_only_computer: &|host| {
        format!(
            "{host}は、これが本当にこのアプリであることを保証できません。このアプリへの回答は常にお使いのコンピューターに送られ、そこではどのアプリもこのアプリになりすますことができるためです。ご自身で今この操作を始めた場合にのみ続行してください。"
        )
    },
    beware_app: "このデバイス上のアプリは、どんな名前でも名乗ることができます。ご自身で今この操作を始めた場合にのみ続行してください。",
    beware_letters: "このサイトの名前には見慣れない文字が含まれています。ご存じのサイトに似せているだけかもしれません。",
    purpose: "利用したいもの",
    uses_account: &|provider| format!("お持ちの{provider}アカウントを使って動作します。"),
    permissions_at: &|provider| format!("{provider}での権限："),
    kept: &|app| format!("ログイン情報はここに暗号化して保管されます。「{app}」に渡されることはありません。"),
    may: &|app| format!("「{app}」ができるようになること"),
    no_scopes: "基本的なアクセスだけを求めています。",
    may_untick: "許可したくないもののチェックを外してください。",
    new: "新規",
    allowed_before: "以前に許可したもの：",
    account: "どうしますか",
    decide: "続行すると、上に挙げたものをすべて許可します。よくわからない場合はキャンセルしてください。その場合は何も起こりません。",
    continue_with: &|provider| format!("{provider}で続行"),
    continue_as: &|person, provider| format!("{person}として続行（{provider}）"),
    other_account: &|provider| format!("別のアカウントを使う（{provider}）"),
    cancel: "キャンセル",
    end_later: "このアクセスは、いつでも確認したり終了したりできます：",
    your_connections: "連携中のアプリ",
};

const CONNECT: ConnectWords<'static> = ConnectWords {
    title: &|provider| format!("{provider}のアカウントを連携しますか？"),
    purpose: "利用しているもの",
    needed: "そのために必要なもの",
    needs: &|provider| format!("{provider}にログインし、そこで同意します。"),
    kept: &|app, server| {
        format!(
            "ログイン情報はここに暗号化して保管され、「{app}」が求めたときに「{server}」が使います。「{app}」に渡されることはありません。"
        )
    },
    signed_in_as: &|person| format!("{person}としてログインしています。"),
    decide: "ご自身で今この操作を始めた場合にのみ続行してください。よくわからない場合はキャンセルしてください。その場合は何も起こりません。",
    sign_in_title: "最初にログインしてください",
    sign_in_why: "このリンクを使えるのは一人だけです。ご本人であることを確かめるため、アプリを接続したときと同じ方法でログインしてください。",
    sign_in_with: &|provider| format!("{provider}でログイン"),
    other_title: "これは別の方のためのリンクです",
    other_happened: &|person| {
        format!("{person}としてログインしていますが、このリンクは別のアカウント用に作られました。")
    },
    other_beware: "誰かから送られてきたリンクの場合は、使わないでください。その人があなたのアカウントで作業できるようになってしまいます。",
    other_next: "もう一方のアカウントもご自身のものであれば、そちらでログインしてください。そうでなければ、このページを閉じてください。何も変更されていません。",
    other_account: &|provider| format!("別のアカウントを使う（{provider}）"),
    connected: &|provider| format!("{provider}を連携しました"),
    connected_then: &|app| {
        format!(
            "このウィンドウを閉じて「{app}」に戻ってください。自動的に先へ進まない場合は、もう一度同じことを頼んでください。"
        )
    },
    cancelled: "キャンセルしました",
    cancelled_then: &|provider, app| {
        format!("{provider}は連携されていません。このウィンドウを閉じて「{app}」に戻ってください。")
    },
};

const HAND_OVER: HandOverWords<'static> = HandOverWords {
    allowed: "ここでの手続きは完了しました",
    cancelled: "キャンセルしました",
    failed: "うまくいきませんでした",
    allowed_then: &|app| format!("「{app}」に戻ります。"),
    cancelled_then: &|app| format!("何も許可していません。「{app}」にもそのことが伝わります。"),
    failed_then: &|app| format!("何も許可していません。「{app}」には理由が伝わります。"),
    return_to: &|app| format!("「{app}」に戻る"),
    cancelled_return_to: &|app| format!("「{app}」に戻る"),
    signing_in: &|provider| format!("{provider}に移動します"),
    signing_in_then: &|provider| format!("{provider}でログインします。その後、ここに戻ります。"),
    continue_to: &|provider| format!("{provider}に進む"),
    signed_in: "ログインしました",
    signed_in_then: "元のページに戻ります。",
    go_on: "続ける",
    if_nothing_happens: "数秒たっても何も起こらない場合は、ボタンを押してください。",
    close: "アプリが先へ進んだら、このウィンドウは閉じてかまいません。",
};

const ERROR: ErrorWords<'static> = ErrorWords {
    cause: "考えられる理由",
    next: "次にすること",
    return_to: &|receiver| format!("アプリに戻る（{receiver}）"),
    for_developers: "アプリの開発者の方へ",
    status: "ステータス",
    reference: "参照番号",
    unknown_client: text(
        "このアプリはここに登録されていません",
        "アプリからここに移動しましたが、そのアプリの登録が見つかりません。",
        "アプリが古い登録を使っているようです。あなたの操作に問題はありません。",
        "アプリを開き、このサーバーを削除してから、もう一度追加してください。それでもここに移動する場合は、アプリのこのサーバーの設定で「Clear authentication」（認証の消去）、「Sign out」（ログアウト）、「Disconnect」（接続解除）、「Reset」（リセット）のいずれかを探してください。",
    ),
    blocked_client: text(
        "このアプリはブロックされています",
        "アプリからここに移動しましたが、このサイトの運営者がそのアプリをブロックしています。",
        "運営者の判断によるもので、あなたに原因はありません。",
        "別のアプリを使うか、このサイトの運営者にお問い合わせください。",
    ),
    documents_off: text(
        "このサイトは、ウェブアドレスで名乗るアプリに対応していません",
        "アプリからここに移動しましたが、そのアプリはウェブアドレスで名乗っています。このようなアプリは、現在ここでは使えません。",
        "このサイトの運営者の判断によるものか、このサイトがインターネットに接続できないためです。あなたの操作に問題はありません。",
        "アプリを更新し、このサーバーを削除してから、もう一度追加してください。それでも解決しない場合は、このサイトの運営者にお問い合わせください。",
    ),
    document_unreachable: |host| {
        told(
            format!("{host}から応答がありません"),
            format!("{host}に説明があるアプリからここに移動しましたが、その説明を取得できませんでした。"),
            format!(
                "{host}の障害か、アプリが示したアドレスの誤りが考えられます。あなたの操作に問題はありません。"
            ),
            "1分ほど待ってから、アプリで最初からやり直してください。",
        )
    },
    document_refused: |host| {
        told(
            format!("{host}にあるアプリの説明が正しくありません"),
            format!(
                "{host}に説明があるアプリからここに移動しましたが、その説明に誤りがあり、どのアプリなのか誰にもわかりません。"
            ),
            format!("{host}でアプリを作っている側の誤りと考えられます。あなたに原因はありません。"),
            "アプリを接続しようとしていたのでなければ、このページを閉じてください。そうであれば、下に書かれている内容をアプリの開発者に伝えてください。",
        )
    },
    document_host: |host| {
        told(
            format!("{host}のアプリはここでは使えません"),
            format!(
                "{host}に説明があるアプリからここに移動しましたが、このサイトはそこからのアプリを受け付けていません。"
            ),
            "このサイトの運営者の判断によるもので、あなたに原因はありません。".to_owned(),
            "別のアプリを使うか、このサイトの運営者にお問い合わせください。",
        )
    },
    documents_busy: text(
        "同時に処理するアプリが多すぎます",
        "アプリからここに移動しましたが、このサイトはまず、開発者によるアプリの説明を取得する必要があります。現在、取得するものが多すぎます。",
        "誰かが何度も試しているのかもしれません。あなたの操作に問題はありません。",
        "1分ほど待ってから、アプリで最初からやり直してください。",
    ),
    unregistered_redirect: text(
        "アプリが示した戻り先が正しくありません",
        "アプリからここに移動しましたが、そのアプリは、登録したことのないアドレスに戻すよう求めています。",
        "アプリの誤りと考えられます。誰かがこのアプリになりすましている可能性もあります。",
        "アプリを接続しようとしていたのでなければ、このページを閉じてください。そうであれば、アプリからこのサーバーを削除し、もう一度追加してください。",
    ),
    invalid_request: text(
        "アプリからの要求に問題があります",
        "アプリからここに移動しましたが、その要求を理解できません。",
        "アプリの誤りと考えられます。あなたに原因はありません。",
        "アプリで最初からやり直してください。それでも解決しない場合は、下に書かれている内容をアプリの開発者に伝えてください。",
    ),
    expired: text(
        "このページは古くなっています",
        "このページのもとになった要求は、期限が切れたか、すでに回答済みです。",
        "ページを長い間開いたままにしたとき、2回読み込んだとき、戻るボタンで開いたときに起こります。",
        "アプリがすでに使えている場合は、このページを閉じてください。そうでなければ、アプリで最初からやり直してください。",
    ),
    link_expired: text(
        "このリンクはもう使えません",
        "開いたリンクは古すぎるか、一部が欠けています。",
        "このようなリンクは数分間だけ有効です。",
        "アプリに戻って、もう一度同じことを頼んでください。新しいリンクが示されます。",
    ),
    link_used: text(
        "このリンクはもう有効ではありません",
        "パスワードを設定するリンクが使えるのは1回だけで、期間は1週間、それより新しいリンクが作られるまでです。",
        "すでに使われたか、古すぎるか、リンクの一部だけが開かれました。",
        "パスワードを設定済みの場合は、アプリからそのパスワードでログインしてください。そうでなければ、このサイトの運営者に新しいリンクを頼んでください。",
    ),
    grant_ended: text(
        "このアプリはもうアクセスできません",
        "アカウントを連携しようとしたアプリは、もうあなたの代わりに動作することを許可されていません。",
        "リンクが作られた後に、アクセスが終了したか、期限が切れました。",
        "アプリを開いて、もう一度ログインしてください。",
    ),
    other_user: text(
        "別の方がログインしています",
        "アカウントの連携から戻りましたが、現在ログインしているのは、最初に始めた方ではありません。",
        "その間に、このブラウザーで誰かがログインまたはログアウトしました。",
        "何も連携されていません。アプリに戻って、もう一度同じことを頼んでください。",
    ),
    sign_in_failed: |provider| {
        told(
            format!("{provider}でのログインに失敗しました"),
            format!("{provider}から戻りましたが、その応答を受け付けられませんでした。"),
            format!(
                "{provider}の障害か、このサイトの設定の誤りが考えられます。あなたの操作に問題はありません。"
            ),
            "アプリで最初からやり直してください。また失敗する場合は、このサイトの運営者に知らせてください。",
        )
    },
    sign_in_refused: |provider| {
        told(
            format!("{provider}にログインできませんでした"),
            format!("{provider}がログインを拒否しました。"),
            format!("{provider}でのあなたのアカウントまたは組織では、許可されていないのかもしれません。"),
            "別のアカウントをお試しください。その場合は、アプリで最初からやり直してください。または、アカウントの管理者にお問い合わせください。",
        )
    },
    sign_in_cancelled: |provider| {
        told(
            "ログインをキャンセルしました".to_owned(),
            format!("{provider}でのログインはキャンセルされました。何も許可されていません。"),
            "あなた、またはこのコンピューターを使っている誰かが、キャンセルを選びました。".to_owned(),
            "そのつもりがなかった場合は、アプリで最初からやり直してください。",
        )
    },
    provider_unavailable: |provider| {
        told(
            format!("{provider}に接続できません"),
            format!("{provider}が現在応答していません。"),
            format!("{provider}の障害と考えられます。あなたの操作に問題はありません。"),
            "1分ほど待ってから、アプリで最初からやり直してください。",
        )
    },
    no_cookie: text(
        "ブラウザーを確認できません",
        "このページを開いたブラウザーと回答したブラウザーが異なるか、ブラウザーがこのサイトのCookieを保存していません。",
        "Cookieがブロックされているか、リンクが別のウィンドウ、ブラウザー、デバイスで開かれた可能性があります。",
        "このサイトのCookieを許可してから、アプリで最初からやり直し、同じブラウザーのまま進めてください。",
    ),
    not_allowed: |person, provider| {
        told(
            "このアカウントはここでは使えません".to_owned(),
            format!(
                "{provider}で{person}としてログインしましたが、このアカウントではこのサイトを利用できません。"
            ),
            "どのアカウントが利用できるかはこのサイトの運営者が決めており、このアカウントは含まれていません。"
                .to_owned(),
            "アプリで最初からやり直して別のアカウントを選ぶか、このサイトの運営者にお問い合わせください。",
        )
    },
    unavailable: text(
        "現在ご利用いただけません",
        "このサイトに必要なものが応答していません。",
        "こちら側の障害です。あなたの操作に問題はなく、以前に許可したものはそのまま有効です。",
        "1分ほど待ってから、アプリで最初からやり直してください。",
    ),
    too_many_requests: text(
        "要求が多すぎます",
        "お使いのネットワークから、受け付けられる数を超える要求がこのサイトに届きました。",
        "アプリが何度も試しているか、大勢の人と同じネットワークを使っている可能性があります。",
        "1分ほど待ってから、アプリで最初からやり直してください。",
    ),
    not_found: text(
        "このページはありません",
        "このアドレスには何もありません。",
        "アドレスが間違っているか、古い可能性があります。",
        "アドレスを確かめてください。アプリからここに移動した場合は、アプリの開発者に知らせてください。",
    ),
    wrong_method: text(
        "このページはこの方法では開けません",
        "このアドレスは、前のページから送られたものを受け取るためのものか、またはその逆です。",
        "手順の途中のアドレスを直接開いた可能性があります。",
        "アプリで最初からやり直してください。アプリからここに移動した場合は、アプリの開発者に知らせてください。",
    ),
};

const LANDING: LandingWords<'static> = LandingWords {
    title: "MCPサーバーへの入り口",
    what: "このサイトでは、AIアプリが下のサーバーをあなたの代わりに利用できます。利用には、一人ひとりが自分のアカウントを使います。",
    how: "アドレスをアプリにコピーしてください。アプリからここに移動してログインします。あなたが同意するまで、何も許可されません。",
    servers: "サーバー",
    no_servers: "サーバーはまだありません。",
    your_connections: "あなたの代わりに動作できるアプリ",
};

const ACCOUNT: AccountWords<'static> = AccountWords {
    title: "連携中のアプリ",
    signed_in_as: &|person, provider| format!("{person}としてログインしています（{provider}）。"),
    what: "これらのアプリは、あなたの代わりに動作できます。ここで削除したアプリは、すぐにアクセスできなくなります。",
    none: "現在、あなたの代わりに動作できるアプリはありません。",
    uses: "利用できるもの",
    answers_go_to: "アプリの場所",
    on_a_computer: &|host| format!("コンピューター上（{host}）"),
    on_a_device: &|scheme| format!("デバイス上（{scheme}）"),
    may: "できること",
    no_scopes: "基本的なアクセス",
    connected: "連携したアカウント",
    since: "許可した日",
    last_used: "最後に使われた日",
    end: &|app| format!("「{app}」を削除"),
    end_all: "すべてのアプリを削除",
    ended: &|provider| {
        format!(
            "完了しました。アクセスは終了しています。{provider}のアプリ一覧に、このサイトがまだ残っているかもしれません。そこでも削除できます。"
        )
    },
    signed_out: &|provider| {
        format!(
            "ここからログアウトしました。アプリは引き続きアクセスできます。また、{provider}にはまだログインしているかもしれません。"
        )
    },
    ended_here: "完了しました。アクセスは終了しています。",
    signed_out_here: "すべてのブラウザーでログアウトしました。アプリは引き続きアクセスできます。",
    sign_out: "ログアウト",
    sign_in: "ログインすると、あなたの代わりに動作できるアプリを確認し、アクセスを終了できます。",
    sign_in_with: &|provider| format!("{provider}でログイン"),
    where_you_sign_in: "ログインに使っているサービス",
    date,
};

const LOCAL: LocalWords<'static> = LocalWords {
    label: "メール",
    title: "ログイン",
    email: "メールアドレス",
    password: "パスワード",
    new_password: "新しいパスワード",
    repeat: "新しいパスワード（確認）",
    name: "お名前（空欄でもかまいません）",
    code: "コード",
    enter: "ログイン",
    mail_code: "メールでコードを受け取る",
    forgot: "パスワードを忘れました",
    sign_up: "アカウントを作成",
    cancel: "キャンセル",
    how_mail: "コード、新しいパスワード、アカウントのいずれも、メールアドレスを入力するだけで手続きできます。",
    forgot_without_mail: "パスワードを忘れた場合は、このサイトの運営者にお問い合わせください。",
    no_address: "これはメールアドレスではありません。name@example.comのように入力してください。",
    wrong: "メールアドレスまたはパスワードが正しくありません。もう一度お試しください。",
    disabled: "このアカウントは現在使われていません。このサイトの運営者にお問い合わせください。",
    too_many: &|minutes| {
        format!(
            "ログインの試行回数が多すぎます。あなた以外の方によるものかもしれません。{minutes}分後にもう一度お試しください。"
        )
    },
    too_many_mails: &|minutes| {
        format!(
            "メールの請求回数が多すぎます。受信トレイを確かめるか、{minutes}分後にもう一度お試しください。"
        )
    },
    mailed_title: "受信トレイを確かめてください",
    sent_if_known: &|address| {
        format!("{address}のアカウントがある場合は、今コードを送信しました。10分間有効です。")
    },
    sent_if_new: &|address| {
        format!("{address}に今メールを送信しました。メールにあるコードは10分間有効です。")
    },
    stay_here: "コードは、ここ、このウィンドウに入力してください。誰にも教えないでください。ほかの場所でお尋ねすることはありません。",
    wrong_code: "コードが違うか、最後に届いたメールのものではありません。もう一度お試しください。",
    back: "メールが届かない場合は、戻ってやり直す",
    set_and_enter: "パスワードを設定してログイン",
    make_account: "アカウントを作成",
    password_hint: &|least| format!("{least}文字以上。いくつかの単語を並べるとよいでしょう。"),
    too_short: &|least| format!("パスワードが短すぎます。{least}文字以上にしてください。"),
    too_long: &|most| format!("パスワードが長すぎます。{most}文字以内にしてください。"),
    guessable: "このパスワードは簡単に推測されます。もっと長いもの、またはもっと珍しいものにしてください。互いに関係のない単語をいくつか並べるとよいでしょう。",
    different: "2つのパスワードが一致しません。両方をもう一度入力してください。",
    welcome_title: "ようこそ",
    welcome: "このサイトのサーバーの利用に招待されています。アカウントのパスワードを決めてください。",
    new_password_title: "新しいパスワードを決めてください",
    new_password_then: "これまでのパスワードはもう使えません。あなたの代わりに動作していたアプリは、改めて許可を求める必要があります。",
    set_password: "パスワードを設定",
    password_set: "パスワードを設定しました",
    password_set_then: "このウィンドウを閉じ、アプリからメールアドレスとこのパスワードでログインできます。",
};

const MAIL: MailWords<'static> = MailWords {
    code_subject: &|site| format!("{site}のコード"),
    sign_in_code: &|site, code| {
        format!("{site}にログインするためのコードです。\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}")
    },
    reset_code: &|site, code| {
        format!(
            "{site}で新しいパスワードを設定するためのコードです。\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}"
        )
    },
    sign_up_code: &|site, code| {
        format!("{site}でアカウントを作成するためのコードです。\n\n    {code}\n\n{GOOD_FOR}{NOT_YOU_CODE}")
    },
    has_account_subject: &|site| format!("{site}のアカウントをお持ちです"),
    has_account: &|site| {
        format!(
            "どなたか（おそらくご本人）が、このメールアドレスで{site}のアカウントを作成しようとしました。アカウントはすでにありますので、それでログインしてください。パスワードを忘れた場合は、ログインページで新しいパスワードを設定できます。\n\nお心当たりがない場合は、何もする必要はありません。\n"
        )
    },
    invitation_subject: &|site| format!("{site}への招待"),
    invitation: &|site, link| {
        format!(
            "{site}のサーバーの利用に招待されています。次のアドレスを開いて、パスワードを決めてください。\n\n{link}\n\n1週間有効で、使えるのは1回だけです。誰にも教えないでください。\nお心当たりがない場合は、何もする必要はありません。\n"
        )
    },
    reset_subject: &|site| format!("{site}の新しいパスワードを決めてください"),
    reset_link: &|site, link| {
        format!(
            "{site}の運営者が、新しいパスワードを決めるようお願いしています。これまでのパスワードはもう使えません。次のアドレスを開いてください。\n\n{link}\n\n1週間有効で、使えるのは1回だけです。誰にも教えないでください。\n"
        )
    },
};

const GOOD_FOR: &str = "10分間、コードを請求したウィンドウでのみ有効です。\n";
const NOT_YOU_CODE: &str = "誰にも教えないでください。このコードを尋ねてくる人は、私たちではありません。\n\nコードを請求していない場合は、何もする必要はありません。\n";

fn date(date: Date) -> String {
    format!("{}年{}月{}日", date.year, date.month, date.day)
}
