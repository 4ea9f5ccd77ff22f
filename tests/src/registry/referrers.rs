//! What hangs on a manifest: the list of it, right or as others get it wrong.

use hyper::header::{CONTENT_TYPE, LINK};
use serde_json::{Value, json};

use super::Referrers;
use super::answer::{self, Answer};
use super::state::{Seen, State};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// So many entries are on one page.
const PAGE: usize = 2;

/// The subject that the answer to a manifest names.
pub(super) fn acknowledged(state: &State, manifest: &[u8]) -> Option<String> {
    let manifest: Value = serde_json::from_slice(manifest).ok()?;
    let subject = manifest["subject"]["digest"].as_str()?;
    (state.options.referrers == Referrers::Proper).then(|| subject.to_owned())
}

/// The list of what hangs on `subject`.
pub(super) fn list(state: &State, seen: &Seen, repository: &str, subject: &str) -> Answer {
    let how = state.options.referrers;
    if how == Referrers::None {
        return answer::bytes(404, "404 page not found\n");
    }
    let mut entries = entries(state, repository, subject, how);
    entries.sort_by_key(|entry| entry["digest"].to_string());
    let answer = |entries: &[Value]| {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        answer::header(answer::json(200, &index), CONTENT_TYPE.as_str(), INDEX)
    };
    if how == Referrers::Odd {
        return answer(&entries);
    }
    let kind = seen.query("artifactType");
    entries.retain(|entry| kind.is_none_or(|kind| entry["artifactType"] == kind));
    let from: usize = seen.query("from").and_then(|from| from.parse().ok()).unwrap_or_default();
    let page: Vec<Value> = entries.iter().skip(from).take(PAGE).cloned().collect();
    let mut answer = answer(&page);
    if kind.is_some() {
        answer = answer::header(answer, "oci-filters-applied", "artifactType");
    }
    if from + PAGE < entries.len() {
        let kind = kind.map(|kind| format!("&artifactType={kind}")).unwrap_or_default().replace('+', "%2B");
        let next = format!("</v2/{repository}/referrers/{subject}?from={}{kind}>; rel=\"next\"", from + PAGE);
        answer = answer::header(answer, LINK.as_str(), &next);
    }
    answer
}

fn entries(state: &State, repository: &str, subject: &str, how: Referrers) -> Vec<Value> {
    let inner = state.lock();
    let own = inner.manifests.iter().filter(|((own, name), _)| own == repository && name.contains(':'));
    own.filter_map(|((_, digest), (media_type, bytes))| {
        let manifest: Value = serde_json::from_slice(bytes).ok()?;
        if manifest["subject"]["digest"] != subject {
            return None;
        }
        let config = &manifest["config"]["mediaType"];
        let kind = match (how, &manifest["artifactType"]) {
            (Referrers::Proper, Value::String(kind)) => Value::from(kind.as_str()),
            _ => config.clone(),
        };
        let mut entry =
            json!({"mediaType": media_type, "digest": digest, "size": bytes.len(), "artifactType": kind});
        if let (Referrers::Proper, Some(annotations)) = (how, manifest.get("annotations")) {
            entry["annotations"] = annotations.clone();
        }
        Some(entry)
    })
    .collect()
}
