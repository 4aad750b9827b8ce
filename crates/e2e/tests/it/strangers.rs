//! Nothing is kept for a stranger.

use std::ops::Range;
use std::time::Instant;

use coatroom_e2e::{FormBrowser, Gateway, OAuthClient, oauth, tools};
use futures_util::StreamExt;
use serde_json::{Value, json};

/// A thousand for each unit of `COATROOM_SOAK`: five thousand by default, a hundred thousand before a release.
#[tokio::test]
async fn thousands_of_strangers_leave_the_store_as_it_was_and_memory_bounded() {
    let strangers = 1_000 * tools::soak();
    // What is logged of each request would be the larger part of the work.
    let settings = [("COATROOM_LOG", "info"), ("COATROOM_CLIENT_DOCUMENTS_ENABLED", "on")];
    let gateway = Gateway::demo_with(&settings).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    client.sign_in("Alice").await;
    let doors = Doors::of(&client, &gateway);
    let visit = |range: Range<usize>| {
        futures_util::stream::iter(range).for_each_concurrent(16, |number| doors.try_all(number))
    };

    let warm = strangers / 10;
    visit(0..warm).await;
    let (rows, bytes, resident) =
        (gateway.rows_in_store(), gateway.bytes_on_disk().len(), gateway.resident_kib());
    let started = Instant::now();
    visit(warm..strangers).await;
    let (rows_after, bytes_after, grown) = (
        gateway.rows_in_store(),
        gateway.bytes_on_disk().len(),
        gateway.resident_kib().saturating_sub(resident),
    );
    println!(
        "{strangers} strangers at {} doors: {rows} rows and {bytes} bytes before, {rows_after} and {bytes_after} after; \
         {resident} KiB resident grew by {grown}; {:?}",
        doors.requests.len() + 2,
        started.elapsed()
    );
    assert_eq!(rows_after, rows, "{strangers} strangers left records behind");
    assert_eq!(bytes_after, bytes, "{strangers} strangers made the files grow");
    assert!(grown < 16 * 1024, "memory grew by {grown} KiB over {strangers} strangers");
}

#[tokio::test]
async fn a_person_who_has_not_signed_in_is_a_stranger_too() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let rows = gateway.rows_in_store();
    for _ in 0..50 {
        let person = FormBrowser::new();
        let consent = person.open(&client.start(None).url).await;
        let provider = person.press(&consent, "Continue").await;
        assert!(provider.text().contains("Alice"), "at the provider's door: {}", provider.text());
    }
    assert_eq!(gateway.rows_in_store(), rows, "consent alone wrote records");
}

/// Every door at which a stranger can knock.
struct Doors {
    http: reqwest::Client,
    register: String,
    redirect_uri: String,
    /// A link that asks for consent, in which `{client}` stands for the client id.
    authorize: String,
    requests: Vec<Request>,
}

/// A request to be refused: where, with which form or bearer, and by which statuses. `{number}` stands for the stranger's.
struct Request {
    url: String,
    form: Option<Vec<(&'static str, &'static str)>>,
    refused: &'static [u16],
}

impl Doors {
    fn of(client: &OAuthClient, gateway: &Gateway) -> Self {
        let text = |name: &str| client.server[name].as_str().map(str::to_owned);
        let authorize = client.start(None).url.replace(&encoded(client.id()), "{client}");
        let request = |url: &str, refused, form: &[(&'static str, &'static str)]| Request {
            url: url.to_owned(),
            form: Some(form.to_vec()),
            refused,
        };
        let token = text("token_endpoint").expect("a token endpoint");
        let code = [
            ("grant_type", "authorization_code"),
            ("code", "coat_ac_{number}"),
            ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            ("client_id", "{client}"),
        ];
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "coat_rt_{number}"),
            ("client_id", "{client}"),
        ];
        let assertion = [
            ("grant_type", "authorization_code"),
            ("code", "coat_ac_{number}"),
            ("client_assertion", "eyJhbGciOiJFUzI1NiJ9.{number}.x"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_id", "https://127.0.0.1:1/{number}"),
        ];
        let mut requests = vec![
            request(&token, &[400], &code),
            request(&token, &[400], &refresh),
            request(&token, &[400, 401], &assertion),
            request(&token, &[400, 401], &[("grant_type", "{number}"), ("client_id", "{number}")]),
            request(
                &text("revocation_endpoint").expect("a revocation endpoint"),
                &[200],
                &[("token", "coat_rt_{number}"), ("client_id", "{client}")],
            ),
            Request { url: gateway.mcp_url(), form: None, refused: &[401] },
        ];
        if let Some(introspect) = text("introspection_endpoint") {
            requests.push(request(&introspect, &[401], &[("token", "coat_at_{number}")]));
        }
        Self {
            http: oauth::http(),
            register: text("registration_endpoint").expect("a registration endpoint"),
            redirect_uri: client.redirect_uri.clone(),
            authorize,
            requests,
        }
    }

    /// One stranger registers, opens the consent page, and tries everything that needs more.
    async fn try_all(&self, number: usize) {
        let name = format!("Stranger {number}");
        let metadata = json!({
            "client_name": name,
            "redirect_uris": [self.redirect_uri],
            "token_endpoint_auth_method": "none",
        });
        let answer = self.http.post(&self.register).json(&metadata).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let registered: Value = answer.json().await.unwrap();
        let id = registered["client_id"].as_str().unwrap();

        let page = self.http.get(self.authorize.replace("{client}", &encoded(id))).send().await.unwrap();
        assert_eq!(page.status(), 200, "{}", page.text().await.unwrap());
        assert!(page.text().await.unwrap().contains(&name));
        // A client id that is an address, where nobody listens.
        let url = format!("https://127.0.0.1:1/client-{number}.json");
        let page = self.http.get(self.authorize.replace("{client}", &encoded(&url))).send().await.unwrap();
        assert!(page.status().is_client_error(), "{}", page.status());

        let number = number.to_string();
        for request in &self.requests {
            let fill = |text: &str| text.replace("{number}", &number).replace("{client}", id);
            let answer = match &request.form {
                Some(form) => {
                    let form: Vec<_> = form.iter().map(|(name, value)| (*name, fill(value))).collect();
                    self.http.post(&request.url).form(&form)
                }
                None => {
                    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
                    self.http.post(&request.url).bearer_auth(format!("coat_at_{number}")).json(&call)
                }
            };
            let answer = answer.send().await.unwrap();
            let status = answer.status().as_u16();
            assert!(
                request.refused.contains(&status),
                "{}: {status} {}",
                request.url,
                answer.text().await.unwrap()
            );
        }
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
