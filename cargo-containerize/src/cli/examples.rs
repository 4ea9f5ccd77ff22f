//! The examples at the end of each `--help`, as data: worded for the front end that shows them, and read by a test.

use std::fmt::Write as _;

/// What is typed after the command, and what it does.
type Example = (&'static str, &'static str);

const BUILD: &[Example] = &[
    ("--dry-run", "show what would be built, and why"),
    ("", "write an OCI layout to the build folder"),
    ("--load docker", "load into the local Docker"),
    ("--push --repository ghcr.io/you/app", "push, tagged with the version"),
    ("--push -t ghcr.io/you/app:latest --platform linux/amd64,linux/arm64", ""),
    ("--workspace --push --repository 'ghcr.io/you/{name}'", ""),
    ("--push --sign keyless", "sign with the identity of this CI job"),
];

/// The examples of each verb; those of the call without one are under an empty name.
pub(super) const EXAMPLES: &[(&[&str], &[Example])] = &[
    (&[], BUILD),
    (&["build"], BUILD),
    (
        &["init"],
        &[
            ("init", "look at the project, and ask"),
            ("init --from-dockerfile --yes", "from its Dockerfile; ask nothing"),
            ("init --dry-run", "only print it"),
            ("init --repository ghcr.io/you/app --workflow github", "with a workflow"),
        ],
    ),
    (
        &["run"],
        &[
            ("run", "with its ports on 127.0.0.1"),
            ("run --load podman --read-only", "by Podman; only volumes can be written"),
            ("run --publish 80:8080 --env-file .env -- --workers 2", "with arguments for the program"),
            ("run --engine-arg=--network=host", "with a flag of the engine"),
        ],
    ),
    (
        &["resolve"],
        &[
            ("resolve -f deploy --repository 'ghcr.io/you/{name}' > release.yaml", ""),
            ("resolve -f compose.yaml --load docker", "with names of local images"),
        ],
    ),
    (
        &["apply"],
        &[
            ("apply -f deploy --repository 'ghcr.io/you/{name}'", "build, push, and kubectl apply"),
            ("apply -Rf deploy -- --namespace staging", "with arguments for kubectl"),
        ],
    ),
    (&["delete"], &[("delete -f deploy", "kubectl delete, without a build")]),
    (
        &["lock"],
        &[
            ("lock", "pin bases; make a missing lock file"),
            ("lock -C services/api", "for the project in another folder"),
            ("lock --platform linux/amd64,linux/arm64", "also for other platforms"),
            ("lock --update", "list what moved since it was pinned"),
            ("lock --update --check", "only list it"),
        ],
    ),
    (
        &["check"],
        &[
            ("check ghcr.io/you/app:1.0", "an image in a registry"),
            ("check oci:target/containerize -v", "an OCI layout, with details"),
            ("check docker-daemon:app:1.0 --format json", "a local Docker image; prints JSON"),
        ],
    ),
    (
        &["inspect"],
        &[
            ("inspect ghcr.io/you/app:1.0", "layers, packages, what could be smaller"),
            ("inspect oci:target/containerize -v", "with all packages and settings"),
            ("inspect python:3.13-slim --html slim.html", "a page with a map"),
            ("inspect docker-daemon:app:1.0 --format json", ""),
        ],
    ),
    (
        &["diff"],
        &[
            ("diff ghcr.io/you/app:1.0 ghcr.io/you/app:1.1", "packages, files, sizes"),
            ("diff ghcr.io/you/app:1.0", "the project, before a push"),
            ("diff app:1.0 app:1.1 --fail-on-growth 5%", "with a limit of growth"),
            ("diff app:1.0 app:1.1 --format markdown", "for a pull request"),
        ],
    ),
    (
        &["verify"],
        &[
            ("verify ghcr.io/you/app:1.0 --key cosign.pub", ""),
            ("verify ghcr.io/you/app:1.0 --identity me@you.org --issuer https://gitlab.com", ""),
            ("verify ghcr.io/you/app:1.0 --key cosign.pub --rebuild --fetch", ""),
            ("verify ghcr.io/you/app:1.0 --policy policy.toml", ""),
            ("verify app.tar.gz --bundle attestation.sigstore.json --key cosign.pub", "a file"),
        ],
    ),
    (
        &["rebase"],
        &[
            ("rebase ghcr.io/you/app:1.0 --base python:3.13-slim --check", "whether it can be"),
            ("rebase ghcr.io/you/app:1.0 --base python:3.13-slim --to 1.0", "move the tag too"),
            ("rebase --all ghcr.io/you/app", "all tags, onto newest bases"),
        ],
    ),
    (
        &["attest"],
        &[
            ("attest dist/* --sign keyless", "with the identity of this CI job"),
            ("attest app.tar.gz --sign-key cosign.key -o app.sigstore.json", ""),
        ],
    ),
    (&["index"], &[("index ghcr.io/you/app:1.0 ghcr.io/you/app:1.0-amd64 ghcr.io/you/app:1.0-arm64", "")]),
    (
        &["cache"],
        &[("cache info", "how large it is"), ("cache prune", "remove what has not been used for longest")],
    ),
    (&["cache", "info"], &[("cache info --format json", "")]),
    (
        &["cache", "prune"],
        &[("cache prune", "shrink to CONTAINERIZE_CACHE_SIZE"), ("cache prune --all", "remove everything")],
    ),
    (&["cache", "dir"], &[("cache dir", "")]),
    (
        &["cache", "publish"],
        &[
            ("cache publish python:3.13-slim --to ghcr.io/you/bases", ""),
            (
                "cache publish python:3.13-slim --to ghcr.io/you/bases --platform linux/amd64,linux/arm64 --sign keyless",
                "",
            ),
        ],
    ),
    (&["man"], &[("man ~/.local/share/man/man1", "")]),
    (&["schema"], &[("schema > containerize.schema.json", "")]),
    (
        &["completions"],
        &[
            ("completions bash > ~/.local/share/bash-completion/completions/containerize", ""),
            ("completions fish > ~/.config/fish/completions/containerize.fish", ""),
        ],
    ),
];

/// Puts the examples under the help of the command and of all its verbs, as `words` calls it.
pub(super) fn with_examples(command: clap::Command, words: &str) -> clap::Command {
    EXAMPLES.iter().fold(command, |command, (path, examples)| {
        let mut text = shown(words, examples);
        if path.is_empty() {
            text += "\n\nWithout a command, `build` is run. Documentation: https://github.com/containerize/containerize";
        }
        at(command, path, &text)
    })
}

fn at(command: clap::Command, path: &[&str], text: &str) -> clap::Command {
    match path {
        [] => command.after_help(text.to_owned()),
        [verb, rest @ ..] => command.mut_subcommand(verb, |verb| at(verb, rest, text)),
    }
}

/// The examples one a line, what they do in a column of its own.
fn shown(words: &str, examples: &[Example]) -> String {
    let typed = |call: &str| format!("{words} {call}").trim_end().to_owned();
    let width = examples.iter().filter(|(_, what)| !what.is_empty()).map(|(call, _)| typed(call).len()).max();
    let mut text = "Examples:".to_owned();
    for (call, what) in examples {
        let line = format!("  {:<width$}  {what}", typed(call), width = width.unwrap_or_default());
        let _ = write!(text, "\n{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::*;
    use crate::front_end::FrontEnd;
    use std::collections::BTreeSet;

    /// `-h` is for a glance: two screens.
    const TWO_SCREENS: usize = 100;

    fn paths(command: &clap::Command, path: &[String], found: &mut BTreeSet<Vec<String>>) {
        found.insert(path.to_vec());
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let path = [path, &[verb.get_name().to_owned()]].concat();
            paths(verb, &path, found);
        }
    }

    #[test]
    fn each_verb_has_examples_that_can_be_typed() {
        let mut verbs = BTreeSet::new();
        paths(&Cli::command_for(&FrontEnd::default()), &[], &mut verbs);
        let named = |path: &&[&str]| path.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
        let with: BTreeSet<_> = EXAMPLES.iter().map(|(path, _)| named(path)).collect();
        assert_eq!(verbs, with);
        for (call, _) in EXAMPLES.iter().flat_map(|(_, examples)| *examples) {
            let typed = call.split(" > ").next().unwrap_or_default().replace('\'', "");
            let words = std::iter::once("containerize").chain(typed.split_whitespace()).map(Into::into);
            assert!(Cli::read(words, FrontEnd::default()).is_ok(), "{call}");
        }
    }

    #[test]
    fn help_ends_with_examples_in_the_words_of_the_caller() {
        for words in ["containerize", "cargo containerize", "poetry containerize"] {
            let front_end = FrontEnd { command: Some(words.into()), ..FrontEnd::default() };
            let mut command = Cli::command_for(&front_end);
            for verb in [
                "build",
                "lock",
                "check",
                "diff",
                "verify",
                "attest",
                "index",
                "cache",
                "schema",
                "completions",
            ] {
                let verb = command.find_subcommand_mut(verb).expect("a verb");
                let help = verb.render_long_help().to_string();
                let (_, examples) = help.rsplit_once("\nExamples:\n").expect("examples");
                assert!(
                    examples
                        .lines()
                        .all(|line| line.starts_with(&format!("  {words} ")) || line.trim() == words),
                    "{help}"
                );
            }
        }
    }

    #[test]
    fn short_help_fits_on_two_screens_and_long_help_has_every_flag() {
        for words in ["containerize", "cargo containerize"] {
            let front_end = FrontEnd { command: Some(words.into()), ..FrontEnd::default() };
            let mut command = Cli::command_for(&front_end).term_width(100);
            let short = command.render_help().to_string();
            assert!(short.lines().count() <= TWO_SCREENS, "{} lines:\n{short}", short.lines().count());
            let long = command.render_long_help().to_string();
            for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(long.contains(&format!("--{flag}")), "{flag}");
            }
        }
    }
}
