//! direct_url.json: where a distribution is from that no index gave (PEP 610).

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::python::{Hash, Source};

/// The origin of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DirectUrl(Value);

impl DirectUrl {
    /// Of a distribution from `source`, whose archive has `hashes`. `None` for what an index gave, and for
    /// folders and files: their paths are those of the building machine, which mean nothing in an
    /// image and would make its bytes depend on the machine.
    pub fn of(source: &Source, hashes: &[Hash]) -> Option<Self> {
        let (url, subdirectory, key, info) = match source {
            Source::Index { .. } | Source::Directory { .. } | Source::File { .. } => return None,
            Source::Url { url, subdirectory } => {
                let hashes: Map<String, Value> = hashes
                    .iter()
                    .filter_map(|hash| {
                        Some((hash.to_string().split_once(':')?.0.to_owned(), json!(hash.hex)))
                    })
                    .collect();
                let info = if hashes.is_empty() { json!({}) } else { json!({ "hashes": hashes }) };
                (url, subdirectory, "archive_info", info)
            }
            Source::Git { url, commit, requested, subdirectory } => {
                let mut info = json!({ "commit_id": commit, "vcs": "git" });
                if let Some(requested) = requested {
                    info["requested_revision"] = json!(requested);
                }
                (url, subdirectory, "vcs_info", info)
            }
        };
        let mut value = json!({ "url": url, key: info });
        if let Some(subdirectory) = subdirectory {
            value["subdirectory"] = json!(subdirectory);
        }
        Some(Self(value))
    }

    /// The content of the file.
    pub(super) fn text(&self) -> String {
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &Source, hashes: &[Hash]) -> String {
        DirectUrl::of(source, hashes).expect("an origin").text()
    }

    #[test]
    fn archives_and_repositories_are_named_as_the_standard_says() {
        let hash = Hash::parse(&format!("sha256:{}", "ab".repeat(32))).expect("a hash");
        let url = Source::Url { url: "https://u:p@h/a.whl".into(), subdirectory: Some("x".into()) };
        let hex = "ab".repeat(32);
        assert_eq!(
            text(&url, &[hash]),
            format!(
                r#"{{"archive_info":{{"hashes":{{"sha256":"{hex}"}}}},"subdirectory":"x","url":"https://h/a.whl"}}"#
            )
        );
        let git = Source::Git {
            url: "https://h/r.git".into(),
            commit: "c0ffee".into(),
            requested: Some("main".into()),
            subdirectory: None,
        };
        assert_eq!(
            text(&git, &[]),
            r#"{"url":"https://h/r.git","vcs_info":{"commit_id":"c0ffee","requested_revision":"main","vcs":"git"}}"#
        );
    }

    #[test]
    fn paths_of_the_building_machine_stay_out() {
        let path = std::path::PathBuf::from("/home/me/project");
        assert!(DirectUrl::of(&Source::File { path: path.clone() }, &[]).is_none());
        assert!(DirectUrl::of(&Source::Directory { path, editable: true }, &[]).is_none());
        assert!(DirectUrl::of(&Source::Index { url: None }, &[]).is_none());
    }

    #[test]
    fn logins_stay_out_of_urls() {
        // What PEP 610 lets stand: the user `git`, and variables.
        for (url, expected) in [
            ("https://user:pass@h/x@y", "https://h/x@y"),
            ("https://h/x.whl?v=1&token=t", "https://h/x.whl?v=1&token=****"),
            ("ssh://git@h/x", "ssh://git@h/x"),
            ("https://${USER}:${PASS}@h/x", "https://${USER}:${PASS}@h/x"),
        ] {
            let text = text(&Source::Url { url: url.into(), subdirectory: None }, &[]);
            assert!(text.ends_with(&format!(r#""url":"{expected}"}}"#)), "{text}");
        }
    }
}
