//! A Dockerfile as settings: what each of its parts becomes.

use std::collections::BTreeSet;

use crate::config::{self, BaseChoice, Bins, Debian, Directory, ExtraLayer, Install, Partial};
use crate::dockerfile::{self, Command, Dockerfile, From, Step, What, absolute};
use crate::oci::Owner;
use crate::plan::APP;

use super::base::{self, IN_STATIC, Needs};
use super::checked::checked;
use super::commands;
use super::copies::{self, Home};
use super::dependencies::dependencies;
use super::packages::packages;
use super::paths::below;
use super::places::{Origin, Places, other};
use super::project::{Kind, Project, PythonProject, RustProject};
use super::remark::Remark;
use super::runs::Runs;
use super::shell;
use super::start::{self, Start};
use super::surroundings;
use super::writes::writes;

/// What is taken over.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taken {
    /// The settings that mean the same.
    pub settings: Partial,
    /// What is different, in the order of the lines.
    pub remarks: Vec<Remark>,
    /// The text of a `requirements.in`, where the Dockerfile installs something else than the project's lock.
    pub requirements: Option<String>,
}

/// Who owns what the program writes, where nothing says who runs it.
const USUAL_USER: &str = "65532:65532";

/// What the last stage of a Dockerfile means for the image of a project.
pub fn taken(file: &Dockerfile, project: &Project) -> Taken {
    let last = file.stages.len().saturating_sub(1);
    let steps: Vec<Step> = file.steps(last).into_iter().cloned().collect();
    let mut taking = Taking {
        project,
        stages: Places::of_all(file, project),
        runs: commands::runs(steps.iter()),
        all_runs: commands::runs(used(file, last).iter().flat_map(|stage| file.steps(*stage))),
        start: Start::of(&steps),
        workdir: steps.last().map_or_else(|| "/".to_owned(), |step| step.workdir.clone()),
        file,
        steps,
        image: String::new(),
        home: None,
        taken: Taken::default(),
    };
    taking.all();
    let Taking { mut taken, steps, .. } = taking;
    taken.settings = checked(taken.settings, &steps, &mut taken.remarks);
    taken.remarks.sort_by_key(|remark| remark.line);
    taken.remarks.dedup();
    surroundings::without_empty(&mut taken.settings);
    taken
}

/// The stages that a stage is built on or copies from, and it.
fn used(file: &Dockerfile, last: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = file.chain(last);
    while let Some(stage) = open.pop() {
        if !found.insert(stage) {
            continue;
        }
        for step in file.steps(stage) {
            if let What::Copy(copied) = &step.what
                && let From::Stage(other) = copied.from
            {
                open.extend(file.chain(other));
            }
        }
    }
    // Of a chain, the last one has the steps of all.
    let below: BTreeSet<usize> =
        found.iter().flat_map(|stage| file.chain(*stage).into_iter().rev().skip(1)).collect();
    found.difference(&below).copied().collect()
}

struct Taking<'a> {
    file: &'a Dockerfile,
    project: &'a Project,
    steps: Vec<Step>,
    /// What is in each stage.
    stages: Vec<Places>,
    /// The commands of the final image.
    runs: Runs,
    /// The commands of all stages that it is made of.
    all_runs: Runs,
    start: Start,
    workdir: String,
    /// What the first stage of the final image is built on.
    image: String,
    home: Option<Home>,
    taken: Taken,
}

impl Taking<'_> {
    /// What is in the final stage.
    fn places(&self) -> &Places {
        &self.stages[self.stages.len() - 1]
    }

    fn all(&mut self) {
        if matches!(self.project.kind, Kind::Python(_)) {
            self.home = Home::of(self.places(), &self.workdir);
        }
        let from = self.base_and_packages();
        self.taken.settings.user =
            surroundings::user(&self.steps, (from, &self.image), &self.runs, &mut self.taken.remarks);
        self.surroundings();
        self.files();
        match &self.project.kind {
            Kind::Rust(rust) => self.rust(rust),
            Kind::Python(python) => self.python(python),
        }
        self.user_and_folders();
        let has_shell = self.has_shell();
        let Self { taken: Taken { settings, remarks, .. }, steps, start, project, home, .. } = self;
        let words = |command: &Command| {
            moved_words(&start::as_words(command, start.shell.as_deref()), home.as_ref(), project)
        };
        surroundings::health(steps, has_shell, &words, settings, remarks);
        for (line, unknown) in &self.runs.unknown {
            self.taken.remarks.push(Remark::left(
                *line,
                &format!("RUN {}", unknown.command),
                unknown.why,
                unknown.instead.clone(),
            ));
        }
    }

    /// The base and what is added to it; the line of its `FROM`.
    fn base_and_packages(&mut self) -> usize {
        let chain = self.file.chain(self.file.stages.len() - 1);
        let stage = &self.file.stages[chain[0]];
        let image = match &stage.base {
            dockerfile::Base::Image(image) => image.clone(),
            dockerfile::Base::Unknown(text, why) => {
                let text = format!("FROM {text}");
                self.taken.remarks.push(Remark::left(stage.line, &text, why.clone(), "set base"));
                String::new()
            }
            // The first of a chain is on an image.
            dockerfile::Base::Stage(_) => String::new(),
        };
        self.image.clone_from(&image);
        let is_alpine = image.contains("alpine");
        let mut names = packages(&self.runs, self.project, is_alpine, &mut self.taken.remarks);
        let is_rust = matches!(self.project.kind, Kind::Rust(_));
        let shell = self.start.needs_shell();
        let beyond = names.iter().any(|name| !IN_STATIC.contains(&name.as_str()));
        let found = base::base(&image, self.project, Needs { shell, packages: beyond });
        if let Some(why) = found.why.filter(|_| !image.is_empty()) {
            self.taken.remarks.push(Remark::otherwise(stage.line, &format!("FROM {image}"), why));
        }
        let base = found.name.filter(|base| !base.is_empty());
        // The default bases have certificates, and their packages' scripts are not run.
        if base.is_none() || base.as_deref().is_some_and(|base| base.contains("distroless")) {
            names.retain(|name| !is_rust || !IN_STATIC.contains(&name.as_str()));
        }
        if let Kind::Rust(rust) = &self.project.kind
            && base.as_deref().is_some_and(|base| base != "scratch" && !is_alpine)
            && !rust.libraries.is_empty()
        {
            self.taken.settings.target = Some("x86_64-unknown-linux-gnu".into());
            let missing = rust.libraries.iter().filter(|name| !names.iter().any(|known| known == *name));
            let missing: Vec<String> = missing.map(|name| (*name).to_owned()).collect();
            names.extend(missing);
        }
        self.taken.settings.base = base.map(BaseChoice::One);
        self.taken.settings.debian = (!names.is_empty()).then(|| Debian::of(names));
        stage.line
    }

    fn surroundings(&mut self) {
        let Self { taken: Taken { settings, remarks, .. }, steps, project, home, .. } = self;
        let moved =
            |text: &str| home.as_ref().map_or_else(|| text.to_owned(), |home| home.moved_in(text, project));
        for step in steps.iter() {
            surroundings::take(step, &project.kind, &moved, settings, remarks);
        }
    }

    fn files(&mut self) {
        let mut files: Vec<config::FileRule> = Vec::new();
        let mut before = Places::default();
        for step in &self.steps {
            if let What::Copy(copied) = &step.what {
                let places = (&before, other(copied, &self.stages));
                let home = self.home.as_ref();
                let found = copies::files(step, places, home, self.project, &mut self.taken.remarks);
                for rule in found {
                    files.retain(|known| known.to != rule.to);
                    files.push(rule);
                }
            }
            before.after(step, &self.stages, self.project);
        }
        if matches!(self.project.kind, Kind::Rust(_)) {
            files.extend(copies::read_by_program(self.places(), self.project));
        }
        self.taken.settings.files = (!files.is_empty()).then_some(files);
    }

    /// Whether the base has a shell.
    fn has_shell(&self) -> bool {
        match &self.taken.settings.base {
            None => matches!(self.project.kind, Kind::Python(_)),
            Some(BaseChoice::One(name)) => {
                let lacks = ["distroless", "cgr.dev/", "chainguard"].iter().any(|part| name.contains(part));
                !matches!(name.as_str(), "static" | "scratch")
                    && (!lacks || name.contains("debug") || name.contains("-dev"))
            }
            Some(BaseChoice::ByPlatform(_)) => true,
        }
    }

    /// The words of a command in this image. `None` where it cannot be carried over, which is remarked.
    fn words(&mut self, (line, command): &(usize, Command)) -> Option<Vec<String>> {
        let text = match command {
            Command::Shell(text) => self.without_assignments(text),
            Command::Exec(words) => return self.finished(words),
        };
        if start::words(&text).is_some() {
            return self.finished(&start::as_words(&Command::Shell(text), None));
        }
        self.default_port(*line, &text);
        if self.has_shell() {
            let command = Command::Shell(start::line_without_runner(&text));
            let words = start::as_words(&command, self.start.shell.as_deref());
            return Some(moved_words(&words, self.home.as_ref(), self.project));
        }
        // Without a shell, the values of now are what it would see.
        let env = self.taken.settings.env.clone().unwrap_or_default();
        match start::words(&shell::filled(&text, &env)) {
            Some(words) => {
                self.taken.remarks.push(Remark::otherwise(
                    *line,
                    &text,
                    "the base has no shell, so the variables are replaced by their values",
                ));
                self.finished(&words)
            }
            None => {
                self.taken.remarks.push(Remark::left(
                    *line,
                    &text,
                    "the base has no shell",
                    "set entrypoint to the program and its arguments, or use a base with a shell",
                ));
                None
            }
        }
    }

    /// The line without variables before its command, which become those of the image.
    fn without_assignments(&mut self, line: &str) -> String {
        let (assigned, rest) = start::assignments(line);
        let moved = |value: &str| {
            self.home.as_ref().map_or_else(|| value.to_owned(), |home| home.moved_in(value, self.project))
        };
        let assigned: Vec<_> = assigned.into_iter().map(|(name, value)| (name, moved(&value))).collect();
        if !assigned.is_empty() {
            self.taken.settings.env.get_or_insert_default().extend(assigned);
        }
        rest.to_owned()
    }

    /// The words without inits and runners.
    fn finished(&mut self, words: &[String]) -> Option<Vec<String>> {
        let (words, has_init) = start::without_init(words);
        if has_init {
            self.taken.settings.init = Some(true);
        }
        let words = moved_words(&start::without_runner(words), self.home.as_ref(), self.project);
        (!words.is_empty()).then_some(words)
    }

    /// A platform gives `PORT`; without one, the port that the Dockerfile exposes is meant.
    fn default_port(&mut self, line: usize, text: &str) {
        let env = self.taken.settings.env.as_ref();
        if !shell::variables(text).iter().any(|name| name == "PORT")
            || env.is_some_and(|env| env.contains_key("PORT"))
        {
            return;
        }
        let ports = self.taken.settings.ports.as_ref();
        let port = ports.and_then(|ports| ports.first()).map_or(8000, config::Port::number);
        self.taken.settings.env.get_or_insert_default().insert("PORT".into(), port.to_string());
        let why = format!(
            "the Dockerfile leaves PORT to the platform; this image sets it to {port} unless the platform does"
        );
        self.taken.remarks.push(Remark::otherwise(line, text, why));
    }

    fn rust(&mut self, rust: &RustProject) {
        let (entrypoint, cmd) = (self.start.entrypoint.clone(), self.start.cmd.clone());
        let entry = entrypoint.as_ref().and_then(|command| self.words(command));
        let args = match (&entrypoint, &cmd) {
            // The shell form has no arguments.
            (Some((_, Command::Shell(_))), _) => None,
            (_, Some(command)) => self.words(command),
            (_, None) => None,
        };
        let (program, arguments) = match (entry, args) {
            (Some(entry), args) => (entry, args),
            (None, Some(words)) => (words, None),
            (None, None) => (Vec::new(), None),
        };
        let bin = self.program(&program, rust);
        let settings = &mut self.taken.settings;
        let words = |words: Vec<String>| Some(config::Command::Words(words));
        match &bin {
            Some((name, used)) => {
                let rest = program[*used..].to_vec();
                if entrypoint.is_none() || (rest.is_empty() && arguments.is_none()) {
                    settings.cmd = Some(rest).filter(|rest| !rest.is_empty()).and_then(words);
                } else {
                    let fixed = [vec![format!("/usr/local/bin/{name}")], rest.clone()].concat();
                    settings.entrypoint = (!rest.is_empty()).then_some(fixed).and_then(words);
                    settings.cmd = arguments.and_then(words);
                }
            }
            None if !program.is_empty() => {
                settings.entrypoint = words(program);
                settings.cmd = arguments.and_then(words);
            }
            None => {}
        }
        self.binary(rust, bin.map(|(name, _)| name));
        let flags = &self.all_runs.cargo;
        let settings = &mut self.taken.settings;
        settings.features = (!flags.features.is_empty()).then(|| flags.features.iter().cloned().collect());
        settings.all_features = flags.all_features.then_some(true);
        settings.no_default_features = flags.no_default_features.then_some(true);
        settings.profile = flags.profile.clone().filter(|profile| profile != "dev");
        settings.workdir = Some(self.workdir.clone()).filter(|workdir| workdir != "/");
    }

    /// The binary that the words start, and how many of them say so.
    fn program(&self, words: &[String], rust: &RustProject) -> Option<(String, usize)> {
        let first = words.first()?;
        if first == "cargo" {
            let run = words.iter().position(|word| word == "run")?;
            let end = words.iter().position(|word| word == "--").map_or(words.len(), |at| at + 1);
            let named = words[run..].windows(2).find(|pair| pair[0] == "--bin").map(|pair| pair[1].clone());
            let only =
                || rust.bins.values().flatten().next().filter(|_| rust.bins.values().flatten().count() == 1);
            return named
                .or_else(|| rust.default_bin.clone())
                .or_else(|| only().cloned())
                .map(|name| (name, end));
        }
        let name = first.rsplit('/').next().unwrap_or(first);
        let by_place = || match self.places().origin(&absolute(&self.workdir, first), self.project) {
            Some(Origin::Binary(name)) => Some(name),
            _ => None,
        };
        let on_path = || self.places().binaries().find(|(place, _)| place.rsplit('/').next() == Some(name));
        let on_path = || {
            on_path()
                .map(|(_, bin)| bin.to_owned())
                .filter(|_| !first.contains('/') || first.starts_with("./"))
        };
        let by_name = || rust.bins.values().flatten().find(|bin| *bin == name).cloned();
        by_place().or_else(on_path).or_else(by_name).map(|name| (name, 1))
    }

    /// Which binary it is, where there are several.
    fn binary(&mut self, rust: &RustProject, started: Option<String>) {
        let copied: BTreeSet<String> = self.places().binaries().map(|(_, name)| name.to_owned()).collect();
        let built = self.all_runs.cargo.bins.iter().next().filter(|_| self.all_runs.cargo.bins.len() == 1);
        let copied_one = copied.first().filter(|_| copied.len() == 1).cloned();
        let Some(bin) = started.or(copied_one).or(built.cloned()) else { return };
        let all: Vec<&String> = rust.bins.values().flatten().collect();
        if all.len() > 1 && rust.default_bin.as_ref() != Some(&bin) {
            self.taken.settings.bin = Some(Bins(vec![bin.clone()]));
        }
        if rust.bins.len() > 1 {
            let owner = rust.bins.iter().find(|(_, bins)| bins.contains(&bin));
            self.taken.settings.packages = owner.map(|(name, _)| vec![name.clone()]);
        }
        let script = self.taken.settings.entrypoint.is_some();
        let others: Vec<String> = copied.into_iter().filter(|name| *name != bin).collect();
        if !others.is_empty() && (others.len() < 5 || script) {
            let line = self.start.line();
            let why = format!("an image has one program, here {bin}, and not {}", others.join(", "));
            self.taken.remarks.push(Remark::left(
                line,
                "COPY of several programs",
                why,
                "make an image of each: see docs/rust.md#which-program",
            ));
        }
    }

    fn python(&mut self, python: &PythonProject) {
        let (entrypoint, cmd) = (self.start.entrypoint.clone(), self.start.cmd.clone());
        let entry = entrypoint.as_ref().and_then(|command| self.words(command));
        let args = match &entrypoint {
            Some((_, Command::Shell(_))) => None,
            _ => cmd.as_ref().and_then(|command| self.words(command)),
        };
        let (mut program, arguments) = match (entry, args) {
            // `ENTRYPOINT ["uv"]` and `CMD ["run", ...]` are one call.
            (Some(entry), Some(args)) if matches!(&entry[..], [tool] if start::is_runner(tool)) => {
                (Some(start::without_runner(&[entry, args].concat())), None)
            }
            (Some(entry), args) => (Some(entry), args),
            (None, args) => (args, None),
        };
        if let Some(first) = program.as_mut().and_then(|words| words.first_mut()) {
            *first = self.bare(first);
        }
        let is_script = program
            .as_ref()
            .and_then(|words| words.first())
            .is_some_and(|word| python.scripts.contains(word));
        let words: Vec<String> = program.iter().chain(&arguments).flatten().cloned().collect();
        self.scripts(&words);
        let settings = &mut self.taken.settings;
        settings.entrypoint = program.map(config::Command::Words);
        settings.cmd = arguments.map(config::Command::Words);
        settings.install = (python.builds && self.home.is_some() && !is_script).then_some(Install::Source);
        let workdir = self
            .home
            .as_ref()
            .and_then(|home| home.moved(&self.workdir, self.project))
            .unwrap_or_else(|| self.workdir.clone());
        let is_apart = workdir != APP && (workdir != "/" || self.home.is_some());
        settings.workdir = is_apart.then_some(workdir);
        let places = self.all_places();
        let Taken { settings, remarks, requirements } = &mut self.taken;
        *requirements = dependencies((&self.all_runs, &places), (self.project, python), settings, remarks);
    }

    /// What is where in all stages: requirements are installed in some, and not copied to the last.
    fn all_places(&self) -> Places {
        let last = self.file.stages.len() - 1;
        used(self.file, last).iter().fold(Places::default(), |all, stage| all.and(&self.stages[*stage]))
    }

    /// A command by its name alone, where an environment or the base has it: the image's own is on `PATH`.
    fn bare(&self, program: &str) -> String {
        let Some((folder, name)) = program.rsplit_once('/') else { return program.to_owned() };
        let path = absolute(&self.workdir, program);
        let is_of_project = matches!(self.places().origin(&path, self.project), Some(Origin::Project(path)) if !path.contains("venv/"));
        let is_commands = folder == "bin" || folder.ends_with("/bin");
        if is_commands && !is_of_project && !start::is_shell(program) {
            name.to_owned()
        } else {
            program.to_owned()
        }
    }

    /// Looks into the scripts that the words name: they may speak of what is not there, and may not be executable.
    fn scripts(&mut self, words: &[String]) {
        let executable = self.runs.executable.clone();
        let mut globs = BTreeSet::new();
        for place in &executable {
            if let Some(Origin::Project(path)) = self.places().origin(place, self.project)
                && !self.project.has_folder(&path)
            {
                globs.insert(path);
            }
        }
        let mut linked = false;
        for word in words {
            let path = absolute(APP, word);
            let Some(path) = below(&path, APP).filter(|path| self.project.has(path) && !path.is_empty())
            else {
                continue;
            };
            let Some(text) = self.project.text(path).filter(|_| !self.project.has_folder(path)) else {
                continue;
            };
            if let Some(tool) =
                ["poetry run", "uv run", "pipenv run"].iter().find(|tool| text.contains(*tool))
            {
                let why = format!("{path} calls `{tool}`, which is not in the image");
                let line = self.start.line();
                self.taken.remarks.push(Remark::left(
                    line,
                    word,
                    why,
                    format!("remove `{tool}` from it: commands of the environment are on PATH"),
                ));
            }
            linked |= self.home.as_ref().is_some_and(|home| home.is_named_in(&text));
        }
        self.taken.settings.executable = (!globs.is_empty()).then(|| globs.into_iter().collect());
        let Some(home) = self.home.as_ref().filter(|_| linked) else { return };
        match home.link() {
            Some(command) => {
                let command = config::Command::Line(command);
                self.taken.settings.layers = Some(vec![ExtraLayer::Command { command, dir: String::new() }]);
            }
            None => self.taken.remarks.push(Remark::left(
                self.start.line(),
                &words.join(" "),
                format!("a script names {}, which has signs that mean something to a shell", home.place()),
                "use /app in the script",
            )),
        }
    }

    /// Who owns what, and folders that are made to be written to.
    fn user_and_folders(&mut self) {
        let user = self.taken.settings.user.clone().unwrap_or_else(|| USUAL_USER.into());
        let Ok(user) = user.parse::<Owner>() else { return };
        let home = self.home.as_ref().map_or(self.workdir.as_str(), Home::place).to_owned();
        // Root could write everywhere.
        let writes = surroundings::is_root(&self.steps, &self.image) && writes(self.project);
        let is_python = matches!(self.project.kind, Kind::Python(_));
        if (self.gives_home(&home) && user != Owner::ROOT) || (writes && is_python) {
            self.taken.settings.owner = Some(user);
        }
        let mut dirs: Vec<Directory> = Vec::new();
        let mut known: BTreeSet<String> = self.taken.settings.volumes.iter().flatten().cloned().collect();
        for folder in &self.runs.folders {
            let place = self
                .home
                .as_ref()
                .and_then(|home| home.moved(folder, self.project))
                .unwrap_or_else(|| folder.clone());
            let is_there =
                below(&place, APP).is_some_and(|path| self.project.has_folder(path) && self.home.is_some());
            let holds_project = below(&home, folder).is_some();
            if holds_project || is_there || is_of_build(folder) || !known.insert(place.clone()) {
                continue;
            }
            dirs.push(Directory { path: place, mode: None, owner: Some(user) });
        }
        if writes && !is_python && self.workdir != "/" {
            dirs.push(Directory { path: self.workdir.clone(), mode: None, owner: Some(user) });
        }
        self.taken.settings.dirs = (!dirs.is_empty()).then_some(dirs);
    }

    /// Whether the Dockerfile gives the project's folder to the user that it names.
    fn gives_home(&self, home: &str) -> bool {
        let holds = |path: &str| below(home, path).is_some() && path != "/";
        let copied = self.steps.iter().any(|step| match &step.what {
            What::Copy(copied) => {
                let to = absolute("/", &copied.to);
                let owner = copied
                    .owner
                    .as_ref()
                    .filter(|owner| !owner.starts_with("root") && !owner.starts_with('0'));
                owner.is_some() && (below(&to, home).is_some() || holds(&to))
            }
            _ => false,
        });
        let names_user = self.steps.iter().any(|step| matches!(step.what, What::User(_)));
        names_user && (copied || self.runs.owned.iter().any(|path| holds(path)))
    }
}

/// Folders that only builds use, or that bases have.
fn is_of_build(folder: &str) -> bool {
    ["/root", "/tmp", "/usr", "/var/lib/apt", "/etc", "/build", "/opt/poetry"]
        .iter()
        .any(|place| below(folder, place).is_some())
        || ["/src", "/home", "/opt", "/var", "/srv", "/install", "/wheels", "/"].contains(&folder)
        || folder.contains('$')
}

/// The words with the places that they have in this image.
fn moved_words(words: &[String], home: Option<&Home>, project: &Project) -> Vec<String> {
    words.iter().map(|word| home.map_or_else(|| word.clone(), |home| home.moved_in(word, project))).collect()
}
