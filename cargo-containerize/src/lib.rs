//! The program: reads the call, lets the library do it, says what came of it.

mod attest;
mod cache;
mod check;
mod cli;
mod columns;
mod completions;
mod diff;
mod front_end;
mod handover;
mod init;
mod inspect;
mod manual;
mod moved;
mod progress;
mod rebase;
mod render;
mod request;
mod resolve;
mod run;
mod signals;
mod told;
mod verify;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::ValueEnum as _;
use containerize_core::event::Events;
use containerize_core::story::{self, Outcome, Pinning};
use containerize_core::system::limits;
use containerize_core::{Error, Kind, config, interrupt, redact};

use cli::{
    ApplyArgs, AttestArgs, BuildArgs, CacheArgs, CacheVerb, CheckArgs, CheckFormat, Cli, Color, DeleteArgs,
    DiffArgs, DiffFormat, IndexArgs, InitArgs, InspectArgs, PrintFormat, RebaseArgs, ResolveArgs, RunArgs,
    SchemaOf, ShowArgs, Verb, VerifyArgs,
};
use front_end::FrontEnd;
use progress::{Screen, Volume};
use resolve::Kubectl;
use verify::Verdict;

/// Does what the words of the call say. Exit codes are documented in `docs/configuration.md`.
pub fn main() -> ExitCode {
    say_bugs_in_one_sentence();
    limits::raise_open_files();
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let json = wants_json(&words);
    let path = std::env::var_os(front_end::VARIABLE).filter(|path| !path.is_empty());
    let document = path.map(|path| front_end::take(path.as_ref()));
    let told = document.transpose().map(Option::flatten);
    let front_end = match told.and_then(|text| FrontEnd::read(text.as_deref())) {
        Ok(front_end) => front_end,
        Err(error) => return finish(Err(error.into()), json, &FrontEnd::default()),
    };
    let cli = match Cli::read(words, front_end) {
        Ok(cli) => cli,
        Err(error) => {
            if json && error.use_stderr() {
                print(&render::refusal_json(&error));
            }
            print_refusal(&error);
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let front_end = cli.front_end;
    match cli.verb {
        None => run_build(&cli.build, &front_end, Task::Build),
        Some(Verb::Build(arguments)) => run_build(&arguments, &front_end, Task::Build),
        Some(Verb::Init(arguments)) => run_init(&arguments, &front_end),
        Some(Verb::Run(arguments)) => run_container(&arguments, &front_end),
        Some(Verb::Resolve(arguments)) => run_resolve(*arguments, &front_end),
        Some(Verb::Apply(arguments)) => run_apply(*arguments, &front_end),
        Some(Verb::Delete(arguments)) => run_delete(&arguments, &front_end),
        Some(Verb::Lock(arguments)) => match arguments.pinning() {
            Ok(pinning) => run_build(&arguments.build, &front_end, Task::Lock(pinning)),
            Err(error) => finish(Err(error.into()), json, &front_end),
        },
        Some(Verb::Check(arguments)) => run_check(&arguments, &front_end),
        Some(Verb::Inspect(arguments)) => run_inspect(&arguments, &front_end),
        Some(Verb::Diff(arguments)) => run_diff(&arguments, &front_end),
        Some(Verb::Verify(arguments)) => run_verify(&arguments, &front_end),
        Some(Verb::Rebase(arguments)) => run_rebase(&arguments, &front_end),
        Some(Verb::Attest(arguments)) => run_attest(&arguments, &front_end),
        Some(Verb::Index(arguments)) => run_index(&arguments, &front_end),
        Some(Verb::Cache(arguments)) => run_cache(&arguments, &front_end),
        Some(Verb::Schema { of }) => {
            let schema = match of {
                SchemaOf::Configuration => config::schema(),
                SchemaOf::Events => told::schema(),
            };
            print(&format!("{schema:#}\n"))
        }
        Some(Verb::Man { folder }) => {
            let written = manual::write(&folder).map(|()| Some(String::new()));
            finish(written.map_err(Into::into), json, &front_end)
        }
        Some(Verb::Completions { shell }) => {
            let mut command = Cli::command_for(&FrontEnd::default());
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "containerize", &mut script);
            print(&format!("{}{}", String::from_utf8_lossy(&script), completions::for_cargo(shell)))
        }
    }
}

/// Whether the call asks for JSON, also where it is wrong otherwise.
fn wants_json(words: &[std::ffi::OsString]) -> bool {
    let words = || words.iter().skip(1).map_while(|word| word.to_str().filter(|word| *word != "--"));
    let after = words().zip(words().skip(1)).any(|pair| pair == ("--format", "json"));
    after || words().any(|word| word == "--format=json")
}

/// What is done with a project.
#[derive(Clone, Copy)]
enum Task {
    Build,
    Lock(Pinning),
}

fn run_build(arguments: &BuildArgs, front_end: &FrontEnd, task: Task) -> ExitCode {
    let (events, screen) = start_events(&arguments.say.show, front_end);
    let json = arguments.say.format == PrintFormat::Json;
    // An archive has standard output for itself.
    let streams = arguments.target.output.iter().any(containerize_core::sink::Output::is_stream);
    let work = || -> anyhow::Result<Option<(String, bool)>> {
        let request = request::from_arguments(arguments, front_end)?;
        let outcome = in_runtime(run_task(request, task, &events))?;
        Ok(outcome.map(|outcome| {
            let is_stale = matches!(&outcome, Outcome::Locked(locked) if !locked.is_current());
            let text = if json { render::json(&outcome, &screen.warnings()) } else { render::text(&outcome) };
            (text, is_stale)
        }))
    };
    let result = work();
    screen.flush();
    match (streams, result) {
        (true, Ok(Some((text, _)))) => {
            let _ = write!(anstream::stderr(), "{text}");
            ExitCode::SUCCESS
        }
        (_, Ok(Some((text, true)))) => {
            print(&text);
            ExitCode::from(Kind::Integrity.exit_code())
        }
        (_, result) => {
            let text = result.map(|told| told.map(|(text, _)| text));
            finish(text, json && !streams, front_end)
        }
    }
}

fn run_init(arguments: &InitArgs, front_end: &FrontEnd) -> ExitCode {
    let (events, screen) = start_events(&arguments.show, front_end);
    let result = init::run(arguments, front_end, &events);
    screen.flush();
    finish(result.map(Some).map_err(Into::into), false, front_end)
}

fn run_container(arguments: &RunArgs, front_end: &FrontEnd) -> ExitCode {
    let (events, screen) = start_events(&arguments.build.say.show, front_end);
    let json = arguments.build.say.format == PrintFormat::Json;
    let work = || in_runtime(run_task(run::request(arguments, front_end)?, Task::Build, &events));
    let told = work();
    screen.flush();
    match told {
        Ok(Some(outcome @ Outcome::Built(_))) => {
            let started = run::loaded(&outcome).and_then(|loaded| {
                events.step("Running", format!("{} in {}", loaded.name, loaded.place.program()));
                screen.flush();
                run::start(loaded, arguments)
            });
            started.unwrap_or_else(|error| finish(Err(error.into()), json, front_end))
        }
        // A plan, which is all that was asked for.
        told => {
            let text = |outcome| {
                if json { render::json(&outcome, &screen.warnings()) } else { render::text(&outcome) }
            };
            finish(told.map(|told| told.map(text)), json, front_end)
        }
    }
}

fn run_resolve(arguments: ResolveArgs, front_end: &FrontEnd) -> ExitCode {
    match resolved(arguments, front_end) {
        // Logins in it are the caller's own.
        Ok(Some(files)) => write(std::io::stdout(), &files),
        other => finish(other, false, front_end),
    }
}

fn run_apply(arguments: ApplyArgs, front_end: &FrontEnd) -> ExitCode {
    let ApplyArgs { kubectl, resolve } = arguments;
    let kubectl = match Kubectl::to("apply", &kubectl) {
        Ok(kubectl) => kubectl,
        Err(error) => return finish(Err(error.into()), false, front_end),
    };
    match resolved(resolve, front_end) {
        Ok(Some(files)) => {
            kubectl.run(&files).unwrap_or_else(|error| finish(Err(error.into()), false, front_end))
        }
        other => finish(other, false, front_end),
    }
}

fn run_delete(DeleteArgs { kubectl, deployment }: &DeleteArgs, front_end: &FrontEnd) -> ExitCode {
    let done =
        Kubectl::to("delete", kubectl).and_then(|kubectl| kubectl.run(&resolve::as_they_are(deployment)?));
    done.unwrap_or_else(|error| finish(Err(error.into()), false, front_end))
}

/// Files with the digests of what was pushed for them; `None` where the work was interrupted.
fn resolved(
    ResolveArgs { deployment, build }: ResolveArgs,
    front_end: &FrontEnd,
) -> anyhow::Result<Option<String>> {
    let (events, screen) = start_events(&build.say.show, front_end);
    let result = in_runtime(resolve::run(&deployment, build, front_end, &events));
    screen.flush();
    result
}

fn run_index(arguments: &IndexArgs, front_end: &FrontEnd) -> ExitCode {
    let (events, screen) = start_events(&arguments.say.show, front_end);
    let IndexArgs { target, images, .. } = arguments;
    let json = arguments.say.format == PrintFormat::Json;
    let work = || -> anyhow::Result<Option<String>> {
        let (client, store) = request::for_index(arguments, &events)?;
        let Some(digest) = in_runtime(story::merge(&client, &store, target, images, &events))? else {
            return Ok(None);
        };
        store.evict(request::cache_size()?);
        Ok(Some(render::index(target, &digest, json)))
    };
    let result = work();
    screen.flush();
    finish(result, json, front_end)
}

fn run_check(arguments: &CheckArgs, front_end: &FrontEnd) -> ExitCode {
    let (events, screen) = start_events(&arguments.show, front_end);
    let result = in_runtime(check::run(arguments, &front_end.speech(), &events));
    screen.flush();
    tell(result, Kind::Build, arguments.format == CheckFormat::Json, front_end)
}

fn run_inspect(arguments: &InspectArgs, front_end: &FrontEnd) -> ExitCode {
    let (events, screen) = start_events(&arguments.say.show, front_end);
    let result = in_runtime(inspect::run(arguments, &front_end.speech(), &events));
    screen.flush();
    finish(result, arguments.say.format == PrintFormat::Json, front_end)
}

fn run_diff(arguments: &DiffArgs, front_end: &FrontEnd) -> ExitCode {
    let (events, screen) = start_events(&arguments.show, front_end);
    let result = in_runtime(diff::run(arguments, front_end, &events));
    screen.flush();
    tell(result, Kind::Integrity, arguments.format == DiffFormat::Json, front_end)
}

fn run_verify(arguments: &VerifyArgs, front_end: &FrontEnd) -> ExitCode {
    let (events, screen) = start_events(&arguments.say.show, front_end);
    let result = in_runtime(verify::run(arguments, &events));
    screen.flush();
    tell(result, Kind::Integrity, arguments.say.format == PrintFormat::Json, front_end)
}

fn run_rebase(arguments: &RebaseArgs, front_end: &FrontEnd) -> ExitCode {
    let (events, screen) = start_events(&arguments.say.show, front_end);
    let result = in_runtime(rebase::run(arguments, &events));
    screen.flush();
    tell(result, Kind::Integrity, arguments.say.format == PrintFormat::Json, front_end)
}

/// Prints a verdict, and ends with it: as after a failure of this kind, if it is a bad one.
fn tell(result: anyhow::Result<Option<Verdict>>, bad: Kind, json: bool, front_end: &FrontEnd) -> ExitCode {
    match result {
        Ok(Some(verdict)) if !verdict.is_good => {
            print(&verdict.text);
            ExitCode::from(bad.exit_code())
        }
        result => {
            let text = result.map(|verdict| verdict.map(|verdict| verdict.text));
            finish(text, json, front_end)
        }
    }
}

fn run_attest(arguments: &AttestArgs, front_end: &FrontEnd) -> ExitCode {
    let (events, screen) = start_events(&arguments.say.show, front_end);
    let result = in_runtime(attest::run(arguments, &events));
    screen.flush();
    finish(result, arguments.say.format == PrintFormat::Json, front_end)
}

fn run_cache(arguments: &CacheArgs, front_end: &FrontEnd) -> ExitCode {
    let CacheVerb::Publish(publish) = &arguments.verb else {
        let result = cache::run(arguments).map(Some).map_err(Into::into);
        return finish(result, arguments.format == PrintFormat::Json, front_end);
    };
    let (events, screen) = start_events(&publish.say.show, front_end);
    let result = in_runtime(cache::publish(publish, &events));
    screen.flush();
    finish(result, publish.say.format == PrintFormat::Json, front_end)
}

fn start_events(say: &ShowArgs, front_end: &FrontEnd) -> (Events, Arc<Screen>) {
    let volume = match (say.quiet, say.verbose) {
        (true, _) => Volume::Quiet,
        (false, 0) => Volume::Normal,
        (false, _) => Volume::Verbose,
    };
    let of_cargo = std::env::var("CARGO_TERM_COLOR").ok();
    match say.color.or_else(|| Color::from_str(of_cargo?.trim(), true).ok()) {
        Some(Color::Always) => set_colors(anstream::ColorChoice::Always, true),
        Some(Color::Never) => set_colors(anstream::ColorChoice::Never, false),
        // `NO_COLOR`, `CLICOLOR_FORCE` and the terminal decide.
        Some(Color::Auto) | None => {}
    }
    start_log(say.verbose);
    let screen = Arc::new(Screen::new(volume, say.progress, front_end.speech()));
    let events = Events::new(screen.clone());
    request::warn_of_certificates(&events);
    (events, screen)
}

/// Colours of text and of bars.
fn set_colors(choice: anstream::ColorChoice, are_shown: bool) {
    choice.write_global();
    console::set_colors_enabled_stderr(are_shown);
}

/// Prints the result on standard output, or says what failed. No result is an interruption.
fn finish(result: anyhow::Result<Option<String>>, json: bool, front_end: &FrontEnd) -> ExitCode {
    match result {
        Ok(Some(text)) => print(&text),
        Ok(None) => interrupted(json, front_end),
        Err(error) => {
            let error = known(error);
            if json {
                print(&render::error_json(&error, front_end));
            }
            let _ = write!(anstream::stderr(), "{}", render::error_text(&error, front_end));
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// Says what ended the work.
fn interrupted(json: bool, front_end: &FrontEnd) -> ExitCode {
    let Some(signal) = signals::received() else { return ExitCode::from(Kind::Interrupted.exit_code()) };
    if json {
        let error = Error::new(Kind::Interrupted, format!("interrupted by {}", signal.name()));
        print(&render::error_json(&error, front_end));
    }
    signals::say(signal);
    ExitCode::from(signal.exit_code())
}

/// Runs the work until it ends or a signal interrupts it; then what was begun is dropped, and
/// with it temporary files and child processes.
fn in_runtime<T>(work: impl Future<Output = Result<T, Error>>) -> anyhow::Result<Option<T>> {
    signals::watch()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let result = runtime.block_on(async {
        tokio::select! {
            biased;
            result = work => result.map(Some),
            () = interrupt::raised() => Ok(None),
        }
    });
    // Other threads end what they do, too.
    drop(runtime);
    match result {
        // Whatever failed, it failed because it had to end.
        Err(_) if signals::received().is_some() => Ok(None),
        result => Ok(result?),
    }
}

/// The library's error with its kind and advice, whatever the program said on top of it; any
/// other one as a failed build.
fn known(error: anyhow::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(|other| {
        let words = other.to_string();
        match other.chain().nth(1).map(ToString::to_string) {
            Some(cause) => Error::build(words).because(cause),
            None => Error::build(words),
        }
    })
}

async fn run_task(request: story::Request, task: Task, events: &Events) -> Result<Outcome, Error> {
    match task {
        Task::Build => story::run(request, events).await,
        Task::Lock(pinning) => story::lock(request, pinning, events).await,
    }
}

/// Standard output is kept by CI systems: no login goes there, whatever a plan or a result holds.
fn print(text: &str) -> ExitCode {
    write(anstream::stdout(), &redact::clean(text))
}

fn write(mut stdout: impl Write, text: &str) -> ExitCode {
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough, as in `containerize schema | head`.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(1),
    }
}

/// `-vv` shows what the library notes; `CONTAINERIZE_LOG` filters it finer.
fn start_log(verbose: u8) {
    let default = match verbose {
        0 => "off",
        1 => "containerize_core=info",
        2 => "containerize_core=debug",
        _ => "containerize_core=trace",
    };
    let asked = std::env::var("CONTAINERIZE_LOG").ok().filter(|text| !text.trim().is_empty());
    let filter = asked.and_then(|text| tracing_subscriber::EnvFilter::try_new(text).ok());
    let filter = filter.unwrap_or_else(|| default.into());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| CleanLog).without_time();
    // Fails only if a log was started before.
    let _ = log.try_init();
}

/// Help and version are no failures, and go to standard output.
fn print_refusal(error: &clap::Error) {
    if !error.use_stderr() {
        let _ = error.print();
        return;
    }
    // It quotes the words of the call, in which people write logins.
    let said = error.to_string();
    let _ = match redact::clean_call(&said) {
        std::borrow::Cow::Borrowed(_) => error.print(),
        std::borrow::Cow::Owned(clean) => anstream::stderr().write_all(clean.as_bytes()),
    };
}

/// Standard error, for the log: a line at a time, without logins.
struct CleanLog;

impl Write for CleanLog {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        std::io::stderr().write_all(redact::clean(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

fn say_bugs_in_one_sentence() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line()));
        let words = redact::clean(panic.payload_as_str().unwrap_or("no message"));
        let _ = writeln!(
            anstream::stderr(),
            "error: this is a bug in containerize{}: {words}\n  hint: please report it, with the command that you ran",
            place.unwrap_or_default()
        );
        std::process::exit(70);
    }));
}
