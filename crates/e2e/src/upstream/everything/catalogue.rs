//! What the server lists, and what needs no more than a look-up to be answered.

use rmcp::model::{
    CallToolResult, GetPromptResponse, GetPromptResult, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, ReadResourceResponse, ReadResourceResult,
};
use serde_json::{Value, json};

use super::{complete, text};

/// One red pixel, as PNG.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
/// No sound at all, as WAV.
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";
/// The tools that take no arguments.
const PLAIN_TOOLS: &[&str] = &[
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_error_handling",
    "test_tool_with_logging",
    "test_logging_tool",
    "test_tool_with_progress",
    "test_reconnection",
    "test_trigger_tool_change",
    "test_trigger_prompt_change",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_tampered_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    "test_input_required_result_capabilities",
];

/// All tools.
pub(super) fn tools() -> ListToolsResult {
    let one_string =
        |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]});
    let mut tools: Vec<Value> =
        PLAIN_TOOLS.iter().map(|name| tool(name, json!({"type": "object", "properties": {}}))).collect();
    tools.push(tool("test_sampling", one_string("prompt")));
    tools.push(tool("test_elicitation", one_string("message")));
    let region = json!({"type": "string", "x-mcp-header": "Region"});
    tools.push(tool("test_x_mcp_header", json!({"type": "object", "properties": {"region": region}})));
    tools.push(tool("json_schema_2020_12_tool", every_keyword()));
    complete(cacheable(json!({"tools": tools})))
}

/// All prompts.
pub(super) fn prompts() -> ListPromptsResult {
    let argument = |name: &str| json!({"name": name, "description": name, "required": true});
    complete(cacheable(json!({"prompts": [
        {"name": "test_simple_prompt", "description": "Takes nothing"},
        {"name": "test_prompt_with_arguments", "description": "Takes two", "arguments": [argument("arg1"), argument("arg2")]},
        {"name": "test_prompt_with_embedded_resource", "description": "Embeds one", "arguments": [argument("resourceUri")]},
        {"name": "test_prompt_with_image", "description": "Shows a pixel"},
        {"name": "test_input_required_result_prompt", "description": "Asks back"},
    ]})))
}

/// All resources that have an address of their own.
pub(super) fn resources() -> ListResourcesResult {
    let resource =
        |uri: &str, kind: &str| json!({"uri": uri, "name": uri, "description": uri, "mimeType": kind});
    complete(cacheable(json!({"resources": [
        resource("test://static-text", "text/plain"),
        resource("test://static-binary", "image/png"),
        resource("test://watched-resource", "text/plain"),
    ]})))
}

/// The one template.
pub(super) fn templates() -> ListResourceTemplatesResult {
    complete(cacheable(json!({"resourceTemplates": [{
        "uriTemplate": "test://template/{id}/data",
        "name": "By id",
        "description": "Tells its id",
        "mimeType": "application/json",
    }]})))
}

/// What a tool answers that answers always the same.
pub(super) fn result(name: &str) -> Option<CallToolResult> {
    let image = json!({"type": "image", "data": PIXEL, "mimeType": "image/png"});
    let resource = |uri: &str, kind: &str, text: &str| json!({"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": text}});
    let content = match name {
        "test_simple_text" => return Some(text("This is a simple text response for testing.")),
        "test_error_handling" => {
            let said = "This tool intentionally returns an error for testing";
            return Some(complete(json!({"isError": true, "content": [{"type": "text", "text": said}]})));
        }
        "json_schema_2020_12_tool" => return Some(text("The schema is what counts")),
        "test_image_content" => json!([image]),
        "test_audio_content" => json!([{"type": "audio", "data": SILENCE, "mimeType": "audio/wav"}]),
        "test_embedded_resource" => {
            json!([resource(
                "test://embedded-resource",
                "text/plain",
                "This is an embedded resource content."
            )])
        }
        "test_multiple_content_types" => json!([
            {"type": "text", "text": "Multiple content types test:"},
            image,
            resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ]),
        _ => return None,
    };
    Some(complete(json!({"content": content})))
}

/// A prompt, filled in.
pub(super) fn prompt(name: &str, argument: impl Fn(&str) -> String) -> Option<GetPromptResponse> {
    let said = |text: String| json!({"role": "user", "content": {"type": "text", "text": text}});
    let messages = match name {
        "test_simple_prompt" => json!([said("This is a simple prompt for testing.".to_owned())]),
        "test_prompt_with_arguments" => {
            let (first, second) = (argument("arg1"), argument("arg2"));
            json!([said(format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))])
        }
        "test_prompt_with_embedded_resource" => {
            let resource = json!({"uri": argument("resourceUri"), "mimeType": "text/plain", "text": "Embedded resource content for testing."});
            json!([
                {"role": "user", "content": {"type": "resource", "resource": resource}},
                said("Please process the embedded resource above.".to_owned()),
            ])
        }
        "test_prompt_with_image" => json!([
            {"role": "user", "content": {"type": "image", "data": PIXEL, "mimeType": "image/png"}},
            said("Please analyze the image above.".to_owned()),
        ]),
        _ => return None,
    };
    Some(complete::<GetPromptResult>(json!({"messages": messages})).into())
}

/// What a resource holds.
pub(super) fn resource(uri: &str) -> Option<ReadResourceResponse> {
    let content = match uri {
        "test://static-text" => {
            json!({"uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource."})
        }
        "test://static-binary" => json!({"uri": uri, "mimeType": "image/png", "blob": PIXEL}),
        "test://watched-resource" => {
            json!({"uri": uri, "mimeType": "text/plain", "text": "Nothing happened yet."})
        }
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let text =
                json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")}).to_string();
            json!({"uri": uri, "mimeType": "application/json", "text": text})
        }
    };
    Some(complete::<ReadResourceResult>(cacheable(json!({"contents": [content]}))).into())
}

fn tool(name: &str, schema: Value) -> Value {
    json!({"name": name, "description": format!("What a scenario needs as {name}"), "inputSchema": schema})
}

/// A result that anybody may keep for a minute (2026-07-28, caching).
fn cacheable(mut result: Value) -> Value {
    result["ttlMs"] = json!(60_000);
    result["cacheScope"] = json!("public");
    result
}

/// A schema with the keywords of JSON Schema 2020-12 that a server must not drop.
fn every_keyword() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }},
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}
