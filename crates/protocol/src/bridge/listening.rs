//! How clients hear that something changed: by `subscriptions/listen` (MCP 2026-07-28, Subscriptions), or without being asked and after
//! `resources/subscribe` (2025-11-25 and before).

use std::collections::BTreeSet;

use super::calls::{ModernClient, to_modern};
use super::draft::quoted;
use super::envelope::{Envelope, answer, notification, request};
use super::handshake::Welcome;
use super::results::with_param;
use crate::access::object::{Object, elements};

/// What a client wants to hear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// That the list of tools changed.
    pub tools: bool,
    /// That the list of prompts changed.
    pub prompts: bool,
    /// That the list of resources changed.
    pub resources: bool,
    /// That one of these resources changed.
    pub uris: BTreeSet<String>,
}

impl Filter {
    /// What a `subscriptions/listen` asks for.
    #[must_use]
    pub fn of_request(text: &str) -> Self {
        let asked = Envelope::read(text).and_then(|envelope| envelope.param("notifications"));
        let Some(asked) = asked.and_then(Object::read) else { return Self::default() };
        let wants = |key| asked.get(key).is_some_and(|value| value == "true");
        let uris = asked.get("resourceSubscriptions").and_then(elements).unwrap_or_default();
        Self {
            tools: wants("toolsListChanged"),
            prompts: wants("promptsListChanged"),
            resources: wants("resourcesListChanged"),
            uris: uris.into_iter().filter_map(|uri| serde_json::from_str(uri).ok()).collect(),
        }
    }

    /// Everything that a server said it tells, for a client that could not choose, and the resources that it chose.
    #[must_use]
    pub fn of_server(welcome: &Welcome, uris: BTreeSet<String>) -> Self {
        Self { tools: true, prompts: true, resources: true, uris }.honoured(welcome)
    }

    /// What of it a server can tell.
    #[must_use]
    pub fn honoured(self, welcome: &Welcome) -> Self {
        let changes = |list| welcome.has_with(list, "listChanged");
        Self {
            tools: self.tools && changes("tools"),
            prompts: self.prompts && changes("prompts"),
            resources: self.resources && changes("resources"),
            uris: if welcome.has_with("resources", "subscribe") { self.uris } else { BTreeSet::new() },
        }
    }

    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a notification is asked for.
    #[must_use]
    pub fn wants(&self, message: &Envelope<'_>, method: &str) -> bool {
        match method {
            "notifications/tools/list_changed" => self.tools,
            "notifications/prompts/list_changed" => self.prompts,
            "notifications/resources/list_changed" => self.resources,
            "notifications/resources/updated" => {
                let uri = message.param("uri").and_then(|uri| serde_json::from_str::<String>(uri).ok());
                uri.is_some_and(|uri| self.uris.contains(&uri))
            }
            _ => false,
        }
    }

    fn to_json(&self) -> String {
        let lists = [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ];
        let mut members: Vec<String> = lists
            .iter()
            .filter(|(_, is_meant)| *is_meant)
            .map(|(key, _)| format!("\"{key}\":true"))
            .collect();
        if !self.uris.is_empty() {
            let uris: Vec<String> = self.uris.iter().map(|uri| quoted(uri)).collect();
            members.push(format!("\"resourceSubscriptions\":[{}]", uris.join(",")));
        }
        format!("{{{}}}", members.join(","))
    }
}

/// Opens a stream at a server of MCP 2026-07-28, for a client that does not know such streams.
#[must_use]
pub fn listen(id: u64, filter: &Filter, client: &ModernClient) -> Option<String> {
    let params = format!(r#"{{"notifications":{}}}"#, filter.to_json());
    Some(to_modern(&request("0", "subscriptions/listen", &params), id, client)?.text)
}

/// The first message of a stream that the bridge itself keeps; `id` is that of the client's request.
#[must_use]
pub fn acknowledged(id: &str, filter: &Filter) -> String {
    let params = format!(r#"{{"_meta":{{"{SUBSCRIPTION}":{id}}},"notifications":{}}}"#, filter.to_json());
    notification(ACKNOWLEDGED, &params)
}

/// The last message of a stream that ends in order.
#[must_use]
pub fn ended(id: &str) -> String {
    answer(id, &format!(r#"{{"resultType":"complete","_meta":{{"{SUBSCRIPTION}":{id}}}}}"#))
}

/// A notification for the client's own stream: `id` is that of its request.
#[must_use]
pub fn tagged(text: &str, id: &str) -> Option<String> {
    with_param(text, |params| {
        let meta = {
            let mut meta = params.object_or_new("_meta")?;
            meta.set(SUBSCRIPTION, id.to_owned());
            meta.to_text()
        };
        params.set("_meta", meta);
        Some(())
    })
}

/// A notification for a client that knows no such streams.
#[must_use]
pub fn untagged(text: &str) -> Option<String> {
    with_param(text, |params| {
        let meta = {
            let mut meta = params.object_or_new("_meta")?;
            meta.remove(SUBSCRIPTION);
            (!meta.is_empty()).then(|| meta.to_text())
        };
        match meta {
            Some(meta) => params.set("_meta", meta),
            None => drop(params.remove("_meta")),
        }
        Some(())
    })
}

/// `params._meta` names by it the request that opened the stream.
pub const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// The first notification of every stream.
pub const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        Filter::of_request(&request("1", "subscriptions/listen", &format!(r#"{{"notifications":{text}}}"#)))
    }

    #[test]
    fn a_stream_has_what_was_asked_for_and_the_server_can_tell() {
        let asked =
            filter(r#"{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["a:b"]}"#);
        let welcome = |capabilities: &str| Welcome::Legacy(format!(r#"{{"capabilities":{capabilities}}}"#));
        let all = welcome(r#"{"tools":{"listChanged":true},"resources":{"subscribe":true}}"#);
        assert_eq!(asked.clone().honoured(&all), asked);
        assert!(asked.clone().honoured(&welcome(r#"{"tools":{},"resources":{}}"#)).is_empty());
        assert_eq!(
            acknowledged("\"x\"", &asked),
            r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"x"},"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}}}"#
        );
        let wants = |method: &str, params: &str| {
            let text = notification(method, params);
            asked.wants(&Envelope::read(&text).unwrap(), method)
        };
        assert!(wants("notifications/tools/list_changed", "{}"));
        assert!(!wants("notifications/prompts/list_changed", "{}"));
        assert!(wants("notifications/resources/updated", r#"{"uri":"a:b"}"#));
        assert!(!wants("notifications/resources/updated", r#"{"uri":"a:c"}"#));
        assert!(!wants("notifications/message", "{}"));
    }

    #[test]
    fn a_notification_is_tagged_for_one_era_and_not_for_the_other() {
        let plain = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}}"#;
        let own = tagged(plain, "7").unwrap();
        assert_eq!(
            own,
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b","_meta":{"io.modelcontextprotocol/subscriptionId":7}}}"#
        );
        assert_eq!(untagged(&own).unwrap(), plain);
        assert_eq!(
            tagged(r#"{"method":"x"}"#, "1").unwrap(),
            r#"{"method":"x","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}"#
        );
    }
}
