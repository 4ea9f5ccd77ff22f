//! What a registry or a token service says about its refusal.

use serde_json::Value;

use crate::http::Response;

/// No more of a refusal is read than this, in bytes.
const MOST_READ: usize = 64 * 1024;
/// No more of it is shown than this, in characters.
const MOST_SHOWN: usize = 300;

/// The words in the body of a refusal, if it has any.
pub(super) async fn of(response: &mut Response) -> Option<String> {
    let body = response.bytes(MOST_READ).await.ok()?;
    // Before it is cut: half of a secret would not be known again.
    parse(&body).map(|said| shortened(&response.without_secrets(&said)))
}

/// Reads the forms that occur: distribution-spec "Error Codes", the token services' `details`,
/// OAuth2's `error_description`, plain text. HTML pages are of no use to anybody.
fn parse(body: &[u8]) -> Option<String> {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(json) => from_json(&json)?,
        Err(_) => {
            let text = std::str::from_utf8(body).ok()?.trim();
            (!text.starts_with('<')).then(|| text.lines().next().unwrap_or_default().to_owned())?
        }
    };
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}

fn shortened(said: &str) -> String {
    said.chars().take(MOST_SHOWN).collect()
}

fn from_json(json: &Value) -> Option<String> {
    if let Some(errors) = json.get("errors").and_then(Value::as_array) {
        let all: Vec<String> = errors.iter().filter_map(one).collect();
        return (!all.is_empty()).then(|| all.join("; "));
    }
    ["details", "error_description", "message", "error"]
        .iter()
        .find_map(|field| json.get(field)?.as_str().map(str::to_owned))
        .or_else(|| json.as_str().map(str::to_owned))
}

fn one(error: &Value) -> Option<String> {
    let text = |field: &str| error.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut words = match (text("code"), text("message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => return None,
    };
    if let Some(detail) = text("detail") {
        words = format!("{words} ({detail})");
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> Option<String> {
        parse(body.as_bytes()).map(|said| shortened(&said))
    }

    #[test]
    fn the_forms_that_occur_are_understood() {
        let spec =
            r#"{"errors":[{"code":"DENIED","message":"no access","detail":[{"Name":"x"}]},{"code":"X"}]}"#;
        assert_eq!(said(spec).as_deref(), Some("DENIED: no access; X"));
        let detail = r#"{"errors":[{"code":"UNKNOWN","message":"failed","detail":"disk full"}]}"#;
        assert_eq!(said(detail).as_deref(), Some("UNKNOWN: failed (disk full)"));
        assert_eq!(said(r#"{"details":"bad password"}"#).as_deref(), Some("bad password"));
        let oauth = r#"{"error":"invalid_grant","error_description":"token expired"}"#;
        assert_eq!(said(oauth).as_deref(), Some("token expired"));
        assert_eq!(said("404 page not found\n\nmore").as_deref(), Some("404 page not found"));
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        for body in
            ["", "  \n", "<html><body>502</body></html>", r#"{"errors":[]}"#, r#"{"errors":[{}]}"#, "{}", "7"]
        {
            assert_eq!(said(body), None, "{body}");
        }
        assert_eq!(parse(&[0xff, 0xfe]), None);
    }

    #[test]
    fn terminals_are_safe_from_it() {
        let rude = said(&format!("\u{1b}[31m{}", "x".repeat(5000))).expect("words");
        assert!(rude.starts_with("[31mxxx") && rude.len() == MOST_SHOWN, "{rude}");
    }
}
