//! The program under the name `containerize`.

fn main() -> std::process::ExitCode {
    cargo_containerize::main()
}
