use super::*;

fn read(text: &str) -> Dockerfile {
    Dockerfile::read(text).expect("a Dockerfile")
}

fn steps(text: &str) -> Vec<What> {
    let file = read(text);
    file.steps(file.stages.len() - 1).into_iter().map(|step| step.what.clone()).collect()
}

fn refusal(text: &str) -> String {
    Dockerfile::read(text).expect_err("refused").to_string()
}

fn shell(line: &str) -> Command {
    Command::Shell(line.into())
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.into(), value.into())
}

#[test]
fn lines_are_continued_over_comments_and_blank_ones() {
    let file = read("# a comment\nFROM x\nRUN a \\\n  # within\n\n  && b \\  \n  c\n\n  CMD d");
    let steps = file.steps(0);
    assert_eq!(steps[0].text, "RUN a && b c");
    assert_eq!((steps[0].line, steps[1].line), (3, 9));
    assert_eq!(steps[1].what, What::Cmd(shell("d")));
}

#[test]
fn a_directive_changes_the_escape() {
    let file = read("# syntax=docker/dockerfile:1\n# escape=`\nFROM x\nRUN dir C:\\ `\n  more");
    assert_eq!(file.steps(0)[0].text, "RUN dir C:\\ more");
    assert_eq!(refusal("# escape=x\nFROM y"), "the Dockerfile's directive escape cannot be \"x\"");
}

#[test]
fn commands_are_lists_or_lines() {
    let found = steps("FROM x\nENTRYPOINT [\"a\", \"b c\"]\nCMD a [1]\ncmd [broken");
    let list = Command::Exec(vec!["a".into(), "b c".into()]);
    assert_eq!(found, [What::Entrypoint(list), What::Cmd(shell("a [1]")), What::Cmd(shell("[broken"))]);
}

#[test]
fn variables_come_from_arguments_and_the_environment() {
    let text = "ARG V=3.13\nARG NONE\nFROM python:${V}-slim AS base\nARG V\nARG NONE\nENV A=$V B='$V' C=\"x $V\"\n\
                ENV D some words $A\nWORKDIR /srv/$A\nWORKDIR sub\nEXPOSE ${PORT:-80} $A/tcp\nUSER $NONE\nLABEL a=\"$UNSET\"";
    let file = read(text);
    assert_eq!(file.stages[0].base, Base::Image("python:3.13-slim".into()));
    let found = file.steps(0);
    let env = vec![pair("A", "3.13"), pair("B", "$V"), pair("C", "x 3.13")];
    assert_eq!(found[0].what, What::Env(env));
    assert_eq!(found[1].what, What::Env(vec![pair("D", "some words 3.13")]));
    assert_eq!(found[3].workdir, "/srv/3.13/sub");
    assert_eq!(found[4].what, What::Expose(vec!["80".into(), "3.13/tcp".into()]));
    assert_eq!(found[5].what, What::Unknown("ARG NONE has no default".into()));
    assert_eq!(found[6].what, What::Unknown("the Dockerfile does not set $UNSET".into()));
}

#[test]
fn defaults_and_alternatives_are_expanded() {
    let found = steps(
        "FROM x\nENV S=1 E=\nLABEL a=${S:-d} b=${E:-d} c=${E-d} d=${U:-${S}} e=${S:+y} f=${U+y} g=\\$S h=a$ i=${S%x}",
    );
    assert_eq!(found[1], What::Unknown("${S%x} is a pattern, which is only known in the builder".into()));
    let found = steps(
        "FROM x\nENV S=1 E=\nLABEL a=${S:-d} b=${E:-d} c=${E-d} d=${U:-${S}} e=${S:+y} f=${U+y} g=\\$S h=a$",
    );
    let expected =
        [("a", "1"), ("b", "d"), ("c", ""), ("d", "1"), ("e", "y"), ("f", ""), ("g", "$S"), ("h", "a$")];
    assert_eq!(found[1], What::Label(expected.iter().map(|(name, value)| pair(name, value)).collect()));
}

#[test]
fn the_environment_outranks_arguments_and_is_inherited_and_arguments_are_not() {
    let text = "FROM x AS a\nARG ONLY=1\nENV KEPT=env\nARG KEPT=arg\nLABEL l=$KEPT\nFROM A\nLABEL k=$KEPT\nLABEL o=$ONLY";
    let file = read(text);
    assert_eq!(file.chain(1), [0, 1]);
    let found = file.steps(1);
    assert_eq!(found[1].what, What::Label(vec![pair("l", "env")]));
    assert_eq!(found[2].what, What::Label(vec![pair("k", "env")]));
    assert!(matches!(found[3].what, What::Unknown(_)));
    assert_eq!(found[3].stage, 1);
}

#[test]
fn files_are_copied_from_the_project_stages_and_images() {
    let text = "FROM rust AS build\nFROM x\nWORKDIR /app\nCOPY --chown=1:1 a b ./\nCOPY --from=build /t/release/x /bin/x\n\
                COPY --from=0 y .\nADD --from=ghcr.io/uv:1 [\"/u v\", \"/bin/\"]\nCOPY . /";
    let copied: Vec<Copied> = steps(text)
        .into_iter()
        .filter_map(|what| if let What::Copy(copied) = what { Some(copied) } else { None })
        .collect();
    let bases: Vec<&From> = copied.iter().map(|copied| &copied.from).collect();
    let image = From::Image("ghcr.io/uv:1".into());
    assert_eq!(bases, [&From::Context, &From::Stage(0), &From::Stage(0), &image, &From::Context]);
    assert_eq!(copied[0].owner.as_deref(), Some("1:1"));
    assert_eq!((copied[0].sources.join(" "), copied[0].to.as_str()), ("a b".into(), "/app/"));
    assert_eq!((copied[3].sources.join(" "), copied[3].to.as_str()), ("/u v".into(), "/bin/"));
    assert_eq!(copied[4].to, "/");
    assert!(copied[3].is_add);
}

#[test]
fn here_documents_belong_to_their_instruction() {
    let text = "FROM x\nARG W=world\nRUN <<EOF\necho $W\n# no comment\nEOF\nCOPY <<-'END' /etc/f\n\tA $W\n\tEND\nCMD y";
    let found = steps(text);
    let What::Run(run) = &found[0] else { panic!("{found:?}") };
    assert_eq!(run.documents[0].text, "echo world\n# no comment\n");
    let What::Copy(copied) = &found[1] else { panic!("{found:?}") };
    assert_eq!((copied.documents[0].text.as_str(), copied.sources.len()), ("A $W\n", 0));
    assert_eq!(found[2], What::Cmd(shell("y")));
    assert_eq!(
        refusal("FROM x\nRUN <<EOF\nnever ends"),
        "the here-document EOF of line 2 of the Dockerfile has no end"
    );
    assert_eq!(steps("FROM x\nRUN cat <<< word && echo '<<EOF'\nCMD y").len(), 2);
}

#[test]
fn checks_of_health_have_options() {
    let found =
        steps("FROM x\nHEALTHCHECK --interval=5s --retries=2 CMD curl -f x || exit 1\nHEALTHCHECK NONE");
    let What::Healthcheck(options, Some(command)) = &found[0] else { panic!("{found:?}") };
    assert_eq!((options["interval"].as_str(), options["retries"].as_str()), ("5s", "2"));
    assert_eq!(*command, shell("curl -f x || exit 1"));
    assert!(matches!(&found[1], What::Healthcheck(_, None)));
}

#[test]
fn whatever_is_no_dockerfile_is_refused_in_a_sentence() {
    assert_eq!(refusal(""), "the Dockerfile has no FROM, so it makes no image");
    assert_eq!(
        refusal("FROM x\nFOO bar"),
        "line 2 of the Dockerfile begins with \"FOO\", which is not an instruction"
    );
    assert_eq!(refusal("RUN x\nFROM y"), "line 1 of the Dockerfile comes before its first FROM");
    assert_eq!(refusal("FROM"), "FROM in line 1 of the Dockerfile names no image");
    assert!(refusal("FROM x\nRUN \0").contains("line 2"));
    assert!(refusal(&"FROM x\n".repeat(300)).contains("300 stages"));
    assert!(refusal(&format!("FROM x\n{}", "RUN y\n".repeat(20_000))).contains("20001 instructions"));
    assert!(refusal(&"x".repeat(1000)).len() < 200);
}

#[test]
fn variables_that_grow_without_end_are_given_up() {
    let doubled: String = (0..60).map(|i| format!("ARG A{}=${{A{i}}}${{A{i}}}\n", i + 1)).collect();
    let found = steps(&format!("FROM x\nARG A0=xxxxxxxx\n{doubled}LABEL a=$A60"));
    assert!(matches!(&found[0], What::Unknown(_)), "{found:?}");
    let own = steps("FROM x\nARG A=$B\nARG B=$A\nLABEL a=$A");
    assert!(matches!(&own[0], What::Unknown(_)));
    let deep = format!("FROM x\nLABEL a={}x{}", "${U:-".repeat(5000), "}".repeat(5000));
    assert!(matches!(&steps(&deep)[0], What::Unknown(_)));
}

#[test]
fn few_lines_do_not_fill_the_memory() {
    let long = "x".repeat(60_000);
    let copies: String = (1..9_000).map(|at| format!("ENV V{at}=$V0\n")).collect();
    let stages: String = (1..200).map(|at| format!("FROM s{} AS s{at}\n", at - 1)).collect();
    let too_much = "the Dockerfile's variables expand to more than 8 MiB in all";
    assert_eq!(refusal(&format!("FROM x AS s0\nENV V0={long}\n{copies}{stages}")), too_much);
    assert_eq!(refusal(&format!("FROM x\nENV V={long}\nLABEL {}", "a=$V ".repeat(1_000))), too_much);
    assert_eq!(refusal(&format!("FROM x\nENV V={long}\n{}", "RUN echo $V\n".repeat(200))), too_much);
    assert_eq!(refusal(&format!("ARG V={long}\n{}FROM x", "ARG W=$V\n".repeat(200))), too_much);
    let few: String = (1..9_000).map(|at| format!("ENV V{at}=1\n")).collect();
    assert_eq!(refusal(&format!("FROM x AS s0\n{few}{stages}")), too_much);
}

#[test]
fn braces_that_are_not_closed_take_no_square() {
    let begun = std::time::Instant::now();
    let braces = "${".repeat(400_000);
    for text in [format!("ENV X={braces}"), format!("RUN {braces}"), format!("RUN {braces}}}")] {
        read(&format!("FROM x\n{text}"));
    }
    assert!(begun.elapsed().as_secs() < 20, "it takes milliseconds, and took hours");
}
