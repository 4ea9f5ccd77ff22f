//! The same requirements as pip reads them. Its answers are in `tests/fixtures/python-oracle`, with the
//! script that asked for them.

use serde::Deserialize;

use super::*;
use crate::python::Markers;
use crate::python::lock::LockKind;
use crate::python::lock::fixture_tests::python;
use crate::python::lock::requirements_url::name_of_archive;

const LINES: &str = include_str!("../../../../../tests/fixtures/python-oracle/pip-lines.json");

/// What pip refuses and is read here, with the reason.
const LAXER: [(&str, &str); 4] = [
    ("--hash=SHA256:", "it is the same digest"),
    ("#egg=demo[a]", "an extra in a fragment says nothing that a lock needs"),
    ("demo%2Dthing", "the name is the same when it is decoded"),
    ("demo @ https://h.example/x/demo-1.0.tar.gz;a=b", "a URL may hold a semicolon"),
];

#[derive(Deserialize)]
struct Oracle {
    variables: BTreeMap<String, String>,
    cases: Vec<(String, Option<Answer>)>,
}

#[derive(Deserialize)]
struct Answer {
    requirements: Vec<Told>,
    indexes: Vec<String>,
    links: Vec<String>,
    no_index: bool,
    trusted: Vec<String>,
}

/// One requirement.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Told {
    name: Option<String>,
    extras: Vec<String>,
    versions: Vec<String>,
    url: Option<String>,
    hashes: Vec<String>,
    editable: bool,
    holds: bool,
}

/// A requirement in pip's words; `told` where a lock needs no more than the address says.
fn in_words(pin: &Pin, told: &Told) -> Told {
    let markers = Markers::of(&python("3.13.5"));
    let mut hashes: Vec<String> = pin.hashes.iter().map(ToString::to_string).collect();
    hashes.sort_unstable();
    let holds = pin.marker.as_ref().is_none_or(|marker| marker.holds(&markers, &[], &[]));
    let (extras, versions) = (told.extras.clone(), told.versions.clone());
    let base = Told { name: None, extras, versions, url: None, hashes, editable: told.editable, holds };
    let name = |name: &Name| Some(name.to_string());
    match &pin.wanted {
        Wanted::Named(requirement) => {
            let clauses = requirement.specifiers.iter().flat_map(|all| all.iter());
            let mut versions: Vec<String> = clauses.map(ToString::to_string).collect();
            versions.sort_unstable();
            let extras = requirement.extras.iter().map(ToString::to_string).collect();
            Told { name: name(&requirement.name), extras, versions, editable: false, ..base }
        }
        Wanted::Local { path, editable, name: own, .. } => {
            let own = own.clone().or_else(|| name_of_archive(path.rsplit('/').next().unwrap_or(path)));
            Told { name: own.as_ref().and_then(name), url: Some(path.clone()), editable: *editable, ..base }
        }
        Wanted::Elsewhere(elsewhere) => {
            let url = match &elsewhere.source {
                Source::Git { url, commit, .. } => format!("git+{}@{commit}", url.expose()),
                Source::Url { url, .. } => url.expose().to_owned(),
                other => format!("{other:?}"),
            };
            Told { name: name(&elsewhere.name), url: Some(url), ..base }
        }
    }
}

/// Names as they are compared, and of paths the last part, since pip makes them absolute.
fn plain(mut told: Told) -> Told {
    let name = |text: &String| text.parse::<Name>().map_or_else(|_| text.clone(), |name| name.to_string());
    told.name = told.name.as_ref().map(name);
    told.extras = told.extras.iter().map(name).collect();
    told.extras.sort_unstable();
    told.url = told.url.map(|url| match url.contains("://") && !url.starts_with("file:") {
        true => url,
        false => decoded(url.rsplit('/').next().unwrap_or(&url)),
    });
    told
}

fn difference(text: &str, expected: &Answer, found: &Requirements, oracle: &Oracle) -> Option<String> {
    let told: Vec<Told> =
        expected.requirements.iter().zip(&found.pins).map(|(told, pin)| plain(in_words(pin, told))).collect();
    let wanted = expected.requirements.iter().map(|told| {
        let Told { name, extras, versions, url, hashes, editable, holds } = told;
        let (name, extras, versions) = (name.clone(), extras.clone(), versions.clone());
        plain(Told {
            name,
            extras,
            versions,
            url: url.clone(),
            hashes: hashes.clone(),
            editable: *editable,
            holds: *holds,
        })
    });
    let wanted: Vec<Told> = wanted.collect();
    let shown = |list: &[crate::redact::Address]| -> Vec<String> {
        list.iter().map(|address| expand(address.expose(), &oracle.variables)).collect()
    };
    let indexes = &found.indexes;
    let mut urls: Vec<_> = indexes.index.iter().cloned().collect();
    urls.extend(indexes.extra.iter().cloned());
    let urls = if indexes.no_index { Vec::new() } else { shown(&urls) };
    let same = told == wanted
        && expected.requirements.len() == found.pins.len()
        && urls == expected.indexes
        && shown(&indexes.find_links) == expected.links
        && indexes.no_index == expected.no_index
        && indexes.trusted_hosts == expected.trusted;
    (!same).then(|| format!("{text:?}\n  {told:?} {indexes:?}\n  {wanted:?} {:?}", expected.indexes))
}

#[test]
fn requirements_files_are_read_as_pip_reads_them() {
    let oracle: Oracle = serde_json::from_str(LINES).expect("a fixture");
    let place = Place::new(Path::new("/FOLDER/requirements.txt"), LockKind::Requirements).expect("a place");
    let mut differences = Vec::new();
    for (text, expected) in &oracle.cases {
        let found = lines(&place, text, &oracle.variables);
        match (expected, found) {
            (None, Err(_)) => {}
            (None, Ok(_)) if LAXER.iter().any(|(part, _)| text.contains(part)) => {}
            (None, Ok(found)) => differences.push(format!("{text:?} is taken: {:?}", found.pins)),
            (Some(_), Err(error)) => differences.push(format!("{text:?} is refused: {error:?}")),
            (Some(expected), Ok(found)) => differences.extend(difference(text, expected, &found, &oracle)),
        }
    }
    assert!(oracle.cases.len() >= 200, "{}", oracle.cases.len());
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
