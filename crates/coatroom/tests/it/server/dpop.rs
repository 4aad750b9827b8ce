//! Proofs of possession are not taken, and nobody is told otherwise (RFC 9449).

use serde_json::json;

use super::client::Client;
use super::world::World;

// DP-09: a client that relies on bound tokens is not given others in silence.
#[tokio::test]
async fn a_client_that_needs_bound_tokens_is_refused_in_words() {
    let world = World::new().await;
    let metadata = json!({ "redirect_uris": ["https://h.example/cb"], "dpop_bound_access_tokens": true });
    let answer = Client::try_register(&world.app, &metadata).await;
    assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()));
    assert!(answer.body.contains("dpop_bound_access_tokens must be absent or false"), "{}", answer.body);
    let metadata = json!({ "redirect_uris": ["https://h.example/cb"], "dpop_bound_access_tokens": false });
    assert_eq!(Client::try_register(&world.app, &metadata).await.status, 201);
}
