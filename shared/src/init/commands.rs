//! Single commands of a build, by the programs that they start.

use crate::dockerfile::{Step, What, absolute};

use super::runs::{Runs, Unknown, scripts};
use super::shell;

/// What the commands of these steps say.
pub(super) fn runs<'s>(steps: impl Iterator<Item = &'s Step>) -> Runs {
    let mut found = Runs::default();
    for step in steps {
        let What::Run(run) = &step.what else { continue };
        for script in scripts(run) {
            let mut workdir = step.workdir.clone();
            // Tools that nothing of the image needs.
            let installs = INSTALLERS.iter().any(|installer| script.contains(installer));
            for words in shell::commands(&script) {
                if let [verb, place] = &words[..]
                    && verb == "cd"
                {
                    workdir = absolute(&workdir, place);
                    continue;
                }
                let is_known = read(&words, step.line, &workdir, &mut found) == Known::Yes;
                if !is_known && !installs && found.unknown.len() < MOST_UNKNOWN {
                    found.unknown.push((step.line, unknown(&words)));
                }
            }
        }
    }
    found
}

/// More folders and files are not looked at: no Dockerfile that people write names as many.
const MOST_PLACES: usize = 10_000;
/// More commands are not listed.
const MOST_UNKNOWN: usize = 100;
/// Scripts that install tools.
const INSTALLERS: [&str; 4] =
    ["install.python-poetry.org", "astral.sh/uv", "sh.rustup.rs", "bootstrap.pypa.io"];

/// Whether a command is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
}

/// Programs that prepare a build, or clean up after it: nothing of theirs is in the image.
const WITHOUT_EFFECT: &[&str] = &[
    "apt-mark",
    "cargo-chef",
    "cat",
    "cd",
    "chsh",
    "date",
    "dpkg",
    "dpkg-reconfigure",
    "echo",
    "env",
    "exit",
    "export",
    "false",
    "find",
    "fi",
    "done",
    "esac",
    "git",
    "ldconfig",
    "ls",
    "mv",
    "cp",
    "install",
    "printf",
    "pwd",
    "python-config",
    "rm",
    "rustc",
    "rustup",
    "set",
    "sleep",
    "strip",
    "test",
    "[",
    "[[",
    "touch",
    "true",
    "unset",
    "update-ca-certificates",
    "upx",
    "which",
    "xargs",
    "head",
    "tail",
    "grep",
    "sed",
    "tee",
    "tr",
    "uname",
    "file",
    "locale-gen",
    "virtualenv",
    "pip-compile",
    "conda-clean",
    "case",
    "for",
    "while",
    "chef",
    "ldd",
    "ccache",
    "mold",
];

/// Reads a command into `runs`.
fn read(words: &[String], line: usize, workdir: &str, runs: &mut Runs) -> Known {
    let Some((program, rest)) = words.split_first() else { return Known::Yes };
    let program = program.rsplit('/').next().unwrap_or(program);
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match program {
        "apt-get" | "apt" | "aptitude" => debian(&rest, line, runs),
        "pip" | "pip3" => pip(&rest, line, workdir, runs),
        "uv" => uv(&rest, line, workdir, runs),
        "poetry" => poetry(&rest, runs),
        "pdm" => pdm(&rest, runs),
        "cargo" => cargo(&rest, runs),
        "useradd" | "adduser" => user(&rest, runs),
        "groupadd" | "addgroup" => group(&rest, runs),
        "usermod" | "groupmod" | "passwd" => Known::Yes,
        "mkdir" => {
            let room = MOST_PLACES.saturating_sub(runs.folders.len());
            runs.folders.extend(places(&rest, workdir).into_iter().take(room));
            Known::Yes
        }
        "chown" => {
            let room = MOST_PLACES.saturating_sub(runs.owned.len());
            runs.owned.extend(places(&rest, workdir).into_iter().skip(1).take(room));
            Known::Yes
        }
        // `TZ` says the same.
        "ln" if rest.contains(&"/etc/localtime") => Known::Yes,
        "chmod" => chmod(&rest, workdir, runs),
        _ if is_python(program) => python(&rest, line, workdir, runs),
        _ if WITHOUT_EFFECT.contains(&program) => Known::Yes,
        _ => Known::No,
    }
}

fn is_python(program: &str) -> bool {
    let rest = program.strip_prefix("python").or_else(|| program.strip_prefix("pypy"));
    rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

fn python(words: &[&str], line: usize, workdir: &str, runs: &mut Runs) -> Known {
    match words {
        ["-m", "pip", rest @ ..] => pip(rest, line, workdir, runs),
        ["-m", "venv" | "virtualenv" | "compileall" | "ensurepip", ..] | ["--version" | "-V", ..] => {
            Known::Yes
        }
        ["-m", "poetry", rest @ ..] => poetry(rest, runs),
        ["-m", "uv", rest @ ..] => uv(rest, line, workdir, runs),
        _ => Known::No,
    }
}

/// The words that are no flags, as places.
fn places(words: &[&str], workdir: &str) -> Vec<String> {
    let words = words.iter().filter(|word| !word.starts_with('-'));
    words.flat_map(|word| braces(word)).take(MOST_PLACES).map(|word| absolute(workdir, &word)).collect()
}

/// `a/{b,c}` as two words.
fn braces(word: &str) -> Vec<String> {
    let parts = word.split_once('{').and_then(|(before, rest)| {
        let (inner, after) = rest.split_once('}')?;
        inner.contains(',').then(|| inner.split(',').map(|part| format!("{before}{part}{after}")).collect())
    });
    parts.unwrap_or_else(|| vec![word.to_owned()])
}

fn debian(words: &[&str], line: usize, runs: &mut Runs) -> Known {
    let words: Vec<&str> = without_values(words, &["-o", "-t", "-c", "--target-release", "--option"]);
    if let Some(("install", names)) = words.split_first().map(|(verb, names)| (*verb, names)) {
        let names = names.iter().filter(|name| !name.starts_with('-') && !name.contains('$'));
        runs.debian.extend(names.map(|name| (line, (*name).to_owned())));
    }
    Known::Yes
}

/// The words without flags, and without the values that some flags have.
fn without_values<'w>(words: &[&'w str], with_value: &[&str]) -> Vec<&'w str> {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if with_value.contains(word) {
            words.next();
        } else if !word.starts_with('-') {
            kept.push(*word);
        }
    }
    kept
}

/// The values of a flag, in all its forms: `-r x`, `-rx`, `--requirement x` and `--requirement=x`.
fn values<'w>(words: &[&'w str], long: &str, short: &str) -> Vec<&'w str> {
    let mut found = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        if *word == long || (!short.is_empty() && *word == short) {
            found.extend(words.peek().map(|value| **value));
        } else if let Some(value) = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('=')) {
            found.push(value);
        } else if !short.is_empty() && !word.starts_with("--") {
            found.extend(word.strip_prefix(short).filter(|value| !value.is_empty()));
        }
    }
    found
}

/// Flags of pip and uv whose value follows them.
const PIP_VALUES: &[&str] = &[
    "-r",
    "--requirement",
    "-c",
    "--constraint",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "-t",
    "--target",
    "--prefix",
    "--root",
    "--trusted-host",
    "-w",
    "--wheel-dir",
    "--timeout",
    "--default-timeout",
    "--retries",
    "--platform",
    "--python",
    "-p",
    "--no-binary",
    "--only-binary",
    "--progress-bar",
    "--cache-dir",
    "--python-version",
    "--index-strategy",
    "--index",
    "--default-index",
    "--group",
    "--extra",
    "--no-extra",
    "--no-group",
    "--only-group",
    "--package",
    "--with",
    "--no-install-package",
    "-o",
    "--output-file",
    "--config-settings",
    "--torch-backend",
    "--implementation",
    "--abi",
    "-d",
    "--dest",
    "--src",
    "--upgrade-strategy",
    "--proxy",
    "--cert",
    "--link-mode",
    "--directory",
    "--project",
    "--no-build-isolation-package",
    "--exclude-newer",
];

/// Distributions that install others, or build.
const TOOLS: &[&str] = &[
    "pip",
    "setuptools",
    "wheel",
    "uv",
    "poetry",
    "pipenv",
    "pip-tools",
    "virtualenv",
    "hatch",
    "build",
    "pdm",
    "cython",
    "poetry-core",
    "hatchling",
    "setuptools-rust",
    "setuptools-scm",
    "poetry-plugin-export",
    "poetry-dynamic-versioning",
    "maturin",
    "pipx",
    "flit",
    "flit-core",
    "rye",
];

/// Whether a distribution only installs others.
pub(super) fn is_tool(distribution: &str) -> bool {
    let end = distribution.find(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.'));
    let name = distribution[..end.unwrap_or(distribution.len())].to_lowercase().replace('_', "-");
    TOOLS.contains(&name.as_str())
}

fn pip(words: &[&str], line: usize, workdir: &str, runs: &mut Runs) -> Known {
    let Some((verb @ ("install" | "wheel" | "sync"), words)) =
        words.split_first().map(|(verb, rest)| (*verb, rest))
    else {
        return Known::Yes;
    };
    let files = values(words, "--requirement", "-r");
    let names = without_values(words, PIP_VALUES);
    let (synced, names) = if verb == "sync" { (names, Vec::new()) } else { (Vec::new(), names) };
    let files = files.into_iter().chain(synced).filter(|file| *file != "-");
    runs.requirements.extend(files.map(|file| (line, absolute(workdir, file))));
    runs.groups.extend(values(words, "--group", "").into_iter().map(str::to_owned));
    for name in names {
        let is_folder = name.starts_with(['.', '/']) || name.ends_with(".whl") || name.contains('*');
        match name.split_once('[').filter(|_| is_folder) {
            Some((_, extras)) => {
                let extras = extras.trim_end_matches(']').split(',');
                runs.extras.extend(extras.map(|extra| extra.trim().to_owned()));
            }
            None if is_folder || name.contains('$') || is_tool(name) => {}
            None => runs.distributions.push((line, name.to_owned())),
        }
    }
    Known::Yes
}

fn uv(words: &[&str], line: usize, workdir: &str, runs: &mut Runs) -> Known {
    let words = match words.iter().position(|word| !word.starts_with('-')) {
        Some(at) => &words[at..],
        None => return Known::Yes,
    };
    match words {
        ["pip", rest @ ..] => pip(rest, line, workdir, runs),
        ["sync", rest @ ..] => {
            runs.extras.extend(values(rest, "--extra", "").into_iter().map(str::to_owned));
            let groups = values(rest, "--group", "").into_iter().chain(values(rest, "--only-group", ""));
            runs.groups.extend(groups.map(str::to_owned));
            Known::Yes
        }
        ["run", ..] => Known::No,
        ["tool", "install", rest @ ..] if !rest.iter().all(|word| is_tool(word) || word.starts_with('-')) => {
            Known::No
        }
        _ => Known::Yes,
    }
}

fn poetry(words: &[&str], runs: &mut Runs) -> Known {
    match words {
        ["install" | "export" | "sync", rest @ ..] => {
            let groups = values(rest, "--with", "").into_iter().chain(values(rest, "--only", ""));
            let groups =
                groups.flat_map(|list| list.split(',')).filter(|group| !matches!(*group, "main" | "dev"));
            runs.groups.extend(groups.map(|group| group.trim().to_owned()));
            let extras = values(rest, "--extras", "-E").into_iter().flat_map(|list| list.split([' ', ',']));
            runs.extras.extend(extras.filter(|extra| !extra.is_empty()).map(str::to_owned));
            Known::Yes
        }
        ["run", ..] => Known::No,
        _ => Known::Yes,
    }
}

fn pdm(words: &[&str], runs: &mut Runs) -> Known {
    match words {
        ["install" | "sync", rest @ ..] => {
            let groups = values(rest, "--group", "-G").into_iter().flat_map(|list| list.split(','));
            runs.groups.extend(groups.map(str::to_owned));
            Known::Yes
        }
        ["run", ..] => Known::No,
        _ => Known::Yes,
    }
}

fn cargo(words: &[&str], runs: &mut Runs) -> Known {
    let words = match words {
        [toolchain, rest @ ..] if toolchain.starts_with('+') => rest,
        words => words,
    };
    if let ["build" | "b" | "install" | "zigbuild" | "auditable" | "rustc", rest @ ..] = words {
        let cargo = &mut runs.cargo;
        let owned = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<Vec<_>>();
        cargo.bins.extend(owned(values(rest, "--bin", "")));
        cargo.packages.extend(owned(values(rest, "--package", "-p")));
        let features = values(rest, "--features", "-F").into_iter().flat_map(|list| list.split([',', ' ']));
        cargo.features.extend(features.filter(|feature| !feature.is_empty()).map(str::to_owned));
        cargo.all_features |= rest.contains(&"--all-features");
        cargo.no_default_features |= rest.contains(&"--no-default-features");
        let profile = values(rest, "--profile", "").pop().filter(|profile| *profile != "release");
        cargo.profile = profile.map(str::to_owned).or(cargo.profile.take());
    }
    Known::Yes
}

fn user(words: &[&str], runs: &mut Runs) -> Known {
    const VALUES: &[&str] = &[
        "-u",
        "--uid",
        "-g",
        "--gid",
        "-G",
        "--groups",
        "--ingroup",
        "-d",
        "--home",
        "--home-dir",
        "-s",
        "--shell",
        "-c",
        "--comment",
        "--gecos",
        "-k",
        "-b",
        "--base-dir",
        "-h",
        "-p",
        "--password",
    ];
    let number = values(words, "--uid", "-u").pop().map(str::to_owned);
    let group = values(words, "--gid", "-g").pop();
    let number = number.map(|uid| {
        let numbered = group.filter(|group| group.chars().all(|c| c.is_ascii_digit()));
        let named = group.and_then(|group| runs.user_groups.get(group).cloned().flatten());
        let gid = numbered.map(str::to_owned).or(named).unwrap_or_else(|| uid.clone());
        format!("{uid}:{gid}")
    });
    if let Some(name) = without_values(words, VALUES).first() {
        runs.users.insert((*name).to_owned(), number);
    }
    Known::Yes
}

fn group(words: &[&str], runs: &mut Runs) -> Known {
    let number = values(words, "--gid", "-g").pop().map(str::to_owned);
    if let Some(name) = without_values(words, &["-g", "--gid"]).first() {
        runs.user_groups.insert((*name).to_owned(), number);
    }
    Known::Yes
}

fn chmod(words: &[&str], workdir: &str, runs: &mut Runs) -> Known {
    let mode = words.iter().find(|word| !word.starts_with('-'));
    let runs_it = mode.is_some_and(|mode| {
        let octal = mode.chars().all(|c| c.is_ascii_digit());
        if octal {
            mode.ends_with(['1', '5', '7']) || mode.starts_with('7')
        } else {
            mode.contains("+x") || mode.contains("+rx")
        }
    });
    if runs_it {
        let room = MOST_PLACES.saturating_sub(runs.executable.len());
        runs.executable.extend(places(words, workdir).into_iter().skip(1).take(room));
    }
    Known::Yes
}

/// What to say of a command that nothing stands for.
fn unknown(words: &[String]) -> Unknown {
    let command = words.join(" ");
    let has = |text: &str| command.contains(text);
    let (why, instead) = if has("collectstatic") {
        (
            "nothing is run in an image",
            "collect static files when the image is made: see docs/python.md#django".into(),
        )
    } else if has(" migrate") || has("alembic") {
        (
            "nothing is run in an image",
            "run it before a new version starts: see docs/python.md#several-images-of-one-project".into(),
        )
    } else if words.first().is_some_and(|word| word == "apk") {
        (
            "packages of Alpine cannot be added",
            "use a Debian base, such as python:3.13-slim, and the key debian".into(),
        )
    } else if words.first().is_some_and(|word| matches!(word.as_str(), "npm" | "yarn" | "pnpm" | "bun")) {
        (
            "JavaScript is not built here",
            "build it with a hook, `hooks = { pre = [...] }`, and add the result with the key files".into(),
        )
    } else if words
        .first()
        .is_some_and(|word| matches!(word.as_str(), "pipenv" | "conda" | "mamba" | "micromamba"))
    {
        (
            "its lock file cannot be used",
            "list the distributions in requirements.txt, for example with `pipenv requirements`".into(),
        )
    } else if words
        .first()
        .is_some_and(|word| matches!(word.as_str(), "curl" | "wget" | "tar" | "unzip" | "gunzip"))
    {
        (
            "nothing is fetched into an image",
            "fetch it with a command in the key layers, or add it with the key files".into(),
        )
    } else {
        (
            "nothing is run in an image",
            "if the program needs its result, make that with a command in the key layers".into(),
        )
    };
    Unknown { command, why, instead }
}
