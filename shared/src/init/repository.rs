//! Where the image of a project would be pushed to, guessed from where its source is.

use std::path::Path;

use super::manifest;
use super::project::Project;
use crate::error::Result;
use crate::oci::Repository;
use crate::read;

/// Hosts of sources, and of the images that belong to them.
const REGISTRIES: &[(&str, &str)] = &[("github.com", "ghcr.io"), ("gitlab.com", "registry.gitlab.com")];

/// The repository that belongs to the project's `origin`, in the folder that git's `.git` is in.
pub fn repository(dir: &Path) -> Option<String> {
    let text = read::text(&dir.join(".git/config"), read::DOCUMENT).ok()?;
    of_config(&text).filter(|guess| named(guess).is_ok())
}

/// The repository that the project's table has already.
pub fn written(project: &Project) -> Option<String> {
    let (file, path) = manifest::table_of(project);
    let table = project.text(file)?.parse::<toml::Table>().ok()?;
    let table = path.iter().try_fold(&table, |table, key| table.get(*key)?.as_table())?;
    table.get("repository")?.as_str().map(str::to_owned)
}

/// The repository of a call or an answer, which may hold `{name}`.
///
/// # Errors
/// Usage: nothing can be pushed to it.
pub fn named(text: &str) -> Result<String> {
    text.replace("{name}", "name").parse::<Repository>().map(|_| text.to_owned())
}

fn of_config(text: &str) -> Option<String> {
    let section = text.split("[remote \"origin\"]").nth(1)?;
    let lines = section.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    let url = lines.filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == "url")?.1.trim();
    REGISTRIES.iter().find_map(|(host, registry)| {
        let (before, path) = url.split_once(host)?;
        let is_host = before.is_empty() || before.ends_with(['/', '@']);
        let path = path.strip_prefix([':', '/'])?.trim_end_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path).to_lowercase();
        let is_path = path.split('/').count() > 1
            && path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_'));
        (is_host && is_path).then(|| format!("{registry}/{path}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_s_host_has_a_registry() {
        let config = |url: &str| {
            format!("[core]\n\tbare = false\n[remote \"origin\"]\n\tfetch = x\n\turl = {url}\n[branch \"m\"]")
        };
        for (url, expected) in [
            ("https://github.com/You/App.git", Some("ghcr.io/you/app")),
            ("git@github.com:you/app.git", Some("ghcr.io/you/app")),
            ("https://user:token@gitlab.com/group/sub/app/", Some("registry.gitlab.com/group/sub/app")),
            ("https://notgithub.com/you/app", None),
            ("https://git.example.org/you/app", None),
            ("https://github.com/you", None),
        ] {
            assert_eq!(of_config(&config(url)).as_deref(), expected, "{url}");
        }
        assert_eq!(of_config("[branch \"m\"]\n\turl = https://github.com/you/app"), None);
    }
}
