//! Completions for `cargo containerize`: what clap's own scripts, which know one name only, leave out.

use clap_complete::Shell;

/// What is added to the script of `containerize`, so that `cargo containerize` is completed too. Whatever else cargo
/// completes stays with cargo's own completions.
pub(crate) fn for_cargo(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => BASH,
        Shell::Fish => FISH,
        Shell::Zsh => ZSH,
        _ => "",
    }
}

const BASH: &str = r#"
_cargo_containerize() {
    if [[ ${COMP_WORDS[1]} == containerize && $COMP_CWORD -gt 1 ]]; then
        COMP_WORDS=(containerize "${COMP_WORDS[@]:2}")
        COMP_CWORD=$((COMP_CWORD - 1))
        _containerize containerize "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        return
    fi
    if ! declare -F _cargo >/dev/null && declare -F __load_completion >/dev/null; then
        __load_completion cargo
        complete -F _cargo_containerize -o bashdefault -o default cargo
    fi
    if declare -F _cargo >/dev/null; then
        _cargo "$@"
    fi
}
complete -F _cargo_containerize -o bashdefault -o default cargo
"#;

const FISH: &str = r#"
function __fish_cargo_containerize
    set -l words (commandline -opc) (commandline -ct)
    complete -C (string join ' ' -- containerize $words[3..])
end
complete -c cargo -n '__fish_seen_subcommand_from containerize' -f -a '(__fish_cargo_containerize)'
"#;

const ZSH: &str = r#"
_cargo_containerize() {
    if [[ $words[2] == containerize ]] && (( CURRENT > 2 )); then
        shift words
        (( CURRENT-- ))
        _containerize "$@"
    elif (( $+functions[_cargo] )) || autoload -Uz +X _cargo 2>/dev/null; then
        _cargo "$@"
    fi
}
if [ "$funcstack[1]" != "_containerize" ]; then
    compdef _cargo_containerize cargo
fi
"#;

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::front_end::FrontEnd;

    #[test]
    fn bash_completes_cargo_containerize_as_it_does_containerize() {
        let mut script = Vec::new();
        clap_complete::generate(
            Shell::Bash,
            &mut Cli::command_for(&FrontEnd::default()),
            "containerize",
            &mut script,
        );
        let script = String::from_utf8(script).expect("text") + for_cargo(Shell::Bash);
        let call = "COMP_WORDS=(cargo containerize --repo); COMP_CWORD=2
            _cargo_containerize cargo --repo containerize; echo \"${COMPREPLY[*]}\"; complete -p cargo";
        let done = std::process::Command::new("bash").args(["-c", &format!("{script}\n{call}")]).output();
        let Ok(done) = done else { return };
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            said.starts_with("--repository\n") && said.contains("-F _cargo_containerize cargo"),
            "{done:?}"
        );
    }
}
