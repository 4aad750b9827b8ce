//! Nothing is kept for a stranger.

use coatroom_e2e::{FormBrowser, Gateway, OAuthClient};
use futures_util::StreamExt;

#[tokio::test]
async fn five_thousand_strangers_leave_the_store_as_it_was_and_memory_bounded() {
    const STRANGERS: usize = 5_000;
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    client.sign_in("Alice").await;
    let register = client.server["registration_endpoint"].as_str().unwrap().to_owned();
    let http = coatroom_e2e::oauth::http();

    let visit = async |number: usize| {
        let metadata = serde_json::json!({
            "client_name": format!("Stranger {number}"),
            "redirect_uris": [client.redirect_uri],
            "token_endpoint_auth_method": "none",
        });
        let answer = http.post(&register).json(&metadata).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let registered: serde_json::Value = answer.json().await.unwrap();
        let id = registered["client_id"].as_str().unwrap();
        let link = client.start(None).url.replace(&encoded(client.id()), &encoded(id));
        let page = http.get(&link).send().await.unwrap();
        assert_eq!(page.status(), 200, "{}", page.text().await.unwrap());
        assert!(page.text().await.unwrap().contains(&format!("Stranger {number}")));
    };
    let visits =
        |range: std::ops::Range<usize>| futures_util::stream::iter(range).for_each_concurrent(16, &visit);

    visits(0..500).await;
    let (rows, resident) = (gateway.rows_in_store(), gateway.resident_kib());
    visits(500..STRANGERS).await;
    assert_eq!(gateway.rows_in_store(), rows, "{STRANGERS} strangers left records behind");
    let grown = gateway.resident_kib().saturating_sub(resident);
    assert!(grown < 16 * 1024, "memory grew by {grown} KiB over {STRANGERS} strangers");
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

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
