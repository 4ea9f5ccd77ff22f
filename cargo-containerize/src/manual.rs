//! Manual pages, from the same text as `--help`.

use std::path::Path;

use containerize_core::{Error, Result};

use crate::cli::Cli;
use crate::front_end::FrontEnd;

/// What `man cargo-containerize` shows, and with it `cargo help containerize`.
const FOR_CARGO: &str = ".so man1/containerize.1\n";

/// Writes a page for each command.
///
/// # Errors
/// Usage: the folder cannot be written.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let failed = |error| {
        Error::usage(format!("cannot write the manual pages to {}", folder.display()))
            .because(error)
            .hint("give a folder that you may write to")
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut command = whole(Cli::command_for(&FrontEnd::default()));
    command.build();
    write_below(&command, folder).map_err(failed)?;
    std::fs::write(folder.join("cargo-containerize.1"), FOR_CARGO).map_err(failed)
}

/// The command with all of its flags: a page has room for what a short help leaves out.
fn whole(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| arg.hide_short_help(false)).mut_subcommands(whole)
}

/// The pages of a command and of those below it, but for `help`, which says the same.
fn write_below(command: &clap::Command, folder: &Path) -> std::io::Result<()> {
    clap_mangen::Man::new(command.clone()).generate_to(folder)?;
    command.get_subcommands().filter(|verb| has_page(verb)).try_for_each(|verb| write_below(verb, folder))
}

fn has_page(verb: &clap::Command) -> bool {
    verb.get_name() != "help" && !verb.is_hide_set()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page_with_its_own_words() {
        let folder = tempfile::tempdir().expect("folder");
        let pages = folder.path().join("man1");
        write(&pages).expect("written");
        let page = |name: &str| std::fs::read_to_string(pages.join(name)).expect(name);
        let command = Cli::command_for(&FrontEnd::default());
        for verb in command.get_subcommands().filter(|verb| has_page(verb)) {
            let text = page(&format!("containerize-{}.1", verb.get_name()));
            assert!(text.contains(&format!("containerize {}", verb.get_name())), "{text}");
        }
        let inspect = page("containerize-inspect.1");
        assert!(inspect.contains("What is attached to it") && inspect.contains("Examples"), "{inspect}");
        let whole = page("containerize.1");
        assert!(whole.contains("How to show progress"), "also what a short help leaves out");
        assert!(!pages.join("containerize-help.1").exists());
        assert!(page("cargo-containerize.1").starts_with(".so "));
        std::fs::write(folder.path().join("file"), "").expect("file");
        assert!(write(&folder.path().join("file/man1")).is_err());
    }
}
