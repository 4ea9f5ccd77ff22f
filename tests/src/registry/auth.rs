//! Who is let in, and the token service.

use base64::Engine as _;
use hyper::header::WWW_AUTHENTICATE;

use super::answer::{self, Answer};
use super::state::{Seen, State};
use super::{Auth, Phase};

/// What a request needs: scopes, all of them.
pub(super) fn needed(phase: Phase, repository: &str, mount_from: Option<&str>) -> Vec<String> {
    let scope = |name: &str, action: &str| format!("repository:{name}:{action}");
    match phase {
        Phase::GetBlob
        | Phase::HeadBlob
        | Phase::GetManifest
        | Phase::HeadManifest
        | Phase::Referrers
        | Phase::Tags => vec![scope(repository, "pull")],
        Phase::PostUpload | Phase::PatchBlob | Phase::UploadStatus | Phase::PutBlob | Phase::PutManifest => {
            vec![scope(repository, "push")]
        }
        Phase::Mount => {
            let from = mount_from.map(|from| scope(from, "pull"));
            from.into_iter().chain([scope(repository, "push")]).collect()
        }
        _ => Vec::new(),
    }
}

/// The refusal for a request that does not prove enough; `None` lets it in.
pub(super) fn check(state: &State, seen: &Seen, needed: &[String]) -> Option<Answer> {
    let shown = seen.header("authorization").unwrap_or_default();
    let allowed = match &state.options.auth {
        Auth::None => true,
        Auth::Basic { user, password } => shown == basic(user, password),
        Auth::Token { .. } => {
            let inner = state.lock();
            let scopes = shown.strip_prefix("Bearer ").and_then(|token| inner.tokens.get(token));
            let fixed =
                state.options.static_token.as_ref().is_some_and(|token| shown == format!("Bearer {token}"));
            fixed || scopes.is_some_and(|scopes| needed.iter().all(|needed| scopes.contains(needed)))
        }
    };
    (!allowed).then(|| challenge(state, needed))
}

/// 401, and how to do better.
pub(super) fn challenge(state: &State, needed: &[String]) -> Answer {
    let wanted = match &state.options.auth {
        Auth::Token { .. } => {
            let own = format!("{}/token", state.url);
            let realm = state.options.realm.as_ref().unwrap_or(&own);
            let scope =
                if needed.is_empty() { String::new() } else { format!(",scope=\"{}\"", needed.join(" ")) };
            format!("Bearer realm=\"{realm}\",service=\"test-registry\"{scope}")
        }
        _ => "Basic realm=\"test-registry\"".to_owned(),
    };
    let refusal = answer::refusal(401, "UNAUTHORIZED", "authentication required");
    answer::header(refusal, WWW_AUTHENTICATE.as_str(), &wanted)
}

/// The token service: GET with a password, POST with an identity token.
pub(super) fn token(state: &State, seen: &Seen, body: &[u8]) -> Answer {
    let Auth::Token { user, password } = &state.options.auth else { return answer::empty(404) };
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    let posted = seen.method == "POST";
    let fields = if posted { &form } else { &seen.query };
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let known = if posted {
        field("grant_type") == Some("refresh_token")
            && field("refresh_token") == Some(&format!("refresh-{password}"))
            && field("client_id").is_some()
    } else {
        seen.header("authorization") == Some(&basic(user, password))
    };
    let anonymous = !posted && seen.header("authorization").is_none() && state.options.anonymous_pull;
    if !known && !anonymous {
        return answer::json(401, &serde_json::json!({"details": "incorrect username or password"}));
    }
    if field("service") != Some("test-registry") {
        return answer::json(400, &serde_json::json!({"details": "unknown service"}));
    }
    let asked = fields.iter().filter(|(key, _)| key == "scope").flat_map(|(_, value)| value.split(' '));
    let scopes = asked.flat_map(single_actions).filter(|scope| known || scope.ends_with(":pull")).collect();
    let mut inner = state.lock();
    let token = format!("token-{}", inner.next());
    inner.tokens.insert(token.clone(), scopes);
    let field = if posted { "access_token" } else { "token" };
    let mut answer = serde_json::json!({ field: token });
    if let Some(seconds) = state.options.expires_in {
        answer["expires_in"] = seconds.into();
    }
    answer::json(200, &answer)
}

/// `repository:x:pull,push` as `repository:x:pull` and `repository:x:push`.
fn single_actions(scope: &str) -> Vec<String> {
    let Some((resource, actions)) = scope.rsplit_once(':') else { return Vec::new() };
    actions.split(',').map(|action| format!("{resource}:{action}")).collect()
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}
