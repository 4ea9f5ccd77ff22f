//! `containerize diff`, from two layouts to what is printed.

use containerize_tests::program::Project;
use containerize_tests::python::Wheel;
use serde_json::Value;

use super::{BESIDE, TABLE, call, project};

const USAGE: i32 = 2;
const INTEGRITY: i32 = 4;

/// Builds the project into a layout.
fn made(project: &Project, layout: &str, more: &[&str]) {
    call(project, &[&["--platform", "linux/amd64", "-o", layout], more].concat()).succeed();
}

/// The project with another version of its wheel, and another line of its own.
fn change(project: &Project) {
    let wheel = Wheel::new("greeting", "1.1").file("greeting/__init__.py", "WORDS = 'good morning'\n");
    let hash = wheel.write(&project.at("wheels"));
    project.write(&[("requirements.txt", &format!("{BESIDE}greeting==1.1 --hash=sha256:{hash}\n"))]).write(
        &[("main.py", "import greeting\n\nif __name__ == \"__main__\":\n    print(greeting.WORDS + '!')\n")],
    );
}

/// A project and two layouts of it, `oci:out` and `oci:out2`.
fn two(more: &[&str]) -> Project {
    let project = project();
    project.write(&[(".containerignore", "wheels\nbase\nout\nout2\n")]);
    made(&project, "oci:out", &[]);
    change(&project);
    made(&project, "oci:out2", more);
    project
}

fn difference(project: &Project, flags: &[&str]) -> Value {
    let words = [&["diff", "oci:out", "oci:out2", "--format", "json", "-q"], flags].concat();
    serde_json::from_str(project.call(words).succeed().stdout()).expect("JSON")
}

#[test]
fn packages_files_and_settings_are_told_with_their_causes() {
    let project = two(&["--env", "COLOUR=red"]);
    let found = difference(&project, &[]);
    assert_eq!((&found["schema"], &found["same"]), (&1.into(), &false.into()));
    let one = &found["platforms"][0];
    assert_eq!(one["platform"], "linux/amd64");
    let packages = one["packages"]["list"].as_array().expect("a list");
    let greeting = packages.iter().find(|one| one["name"] == "greeting").expect("the wheel");
    assert_eq!((&greeting["change"], &greeting["kind"]), (&"changed".into(), &"python".into()));
    assert_eq!((&greeting["from"]["version"], &greeting["to"]["version"]), (&"1.0".into(), &"1.1".into()));
    let files = one["files"]["list"].as_array().expect("a list");
    let main = files.iter().find(|one| one["path"].as_str().is_some_and(|path| path.ends_with("/main.py")));
    assert_eq!(main.expect("the line")["differs-in"], serde_json::json!(["content"]));
    let settings = one["configuration"]["list"].as_array().expect("a list");
    let colour = settings.iter().find(|one| one["name"] == "COLOUR").expect("the variable");
    assert_eq!((&colour["change"], &colour["to"]), (&"added".into(), &"red".into()));
    assert_eq!(one["base"]["same"], true);
    let kinds: Vec<&str> = one["growth"]["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .filter_map(|part| part["kind"].as_str())
        .collect();
    assert!(kinds.contains(&"python") && !kinds.contains(&"base"), "{kinds:?}");
}

#[test]
fn the_text_fits_a_terminal() {
    let project = two(&["--label", &format!("long={}", "x".repeat(500))]);
    for flags in [&[][..], &["-v"]] {
        let done = project.call([&["diff", "oci:out", "oci:out2"], flags].concat()).succeed();
        let said = done.stdout();
        let widest = said.lines().skip(2).map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= 100), "{said}");
        assert!(said.contains("~ greeting 1.0 -> 1.1 (Python)") && !said.contains('\u{1b}'), "{said}");
        assert!(said.contains("content)") && said.contains("shared"), "{said}");
    }
}

#[test]
fn the_same_image_is_said_in_one_sentence_and_costs_no_layer() {
    let project = project();
    made(&project, "oci:out", &[]);
    let blobs = project.at("out/blobs/sha256");
    for entry in std::fs::read_dir(blobs).expect("blobs") {
        let path = entry.expect("a blob").path();
        let bytes = std::fs::read(&path).expect("a blob");
        if !bytes.starts_with(b"{") {
            std::fs::write(&path, vec![0; bytes.len()]).expect("damaged");
        }
    }
    let said = project.call(["diff", "oci:out", "oci:out", "-q", "--fail-on-growth", "0"]).succeed();
    let expected =
        "oci:out and oci:out are the same image\nwithin the limit: no platform has grown by more than 0\n";
    assert_eq!(said.stdout(), expected);
}

#[test]
fn growth_beyond_the_limit_has_an_exit_code_and_a_sentence() {
    let project = two(&[]);
    let held = |limit: &str| project.call(["diff", "oci:out", "oci:out2", "-q", "--fail-on-growth", limit]);
    assert!(held("50%").succeed().stdout().contains("within the limit"));
    let refused = held("0%").run();
    assert_eq!(refused.code(), INTEGRITY);
    assert!(refused.stdout().contains("too large: linux/amd64 has grown by "), "{}", refused.stdout());
    let json = ["diff", "oci:out", "oci:out2", "-q", "--format", "json", "--fail-on-growth", "1B"];
    let json: Value = serde_json::from_str(project.call(json).fail().stdout()).expect("JSON");
    assert_eq!(json["growth-limit"], serde_json::json!({ "limit": "1B", "exceeded": ["linux/amd64"] }));
}

#[test]
fn markdown_keeps_what_the_image_says_in_code_spans() {
    let hostile = "`</details>|<script>@team [x](http://evil)";
    let project = two(&["--label", &format!("{hostile}={hostile}")]);
    let said = project.call(["diff", "oci:out", "oci:out2", "-q", "--format", "markdown"]).succeed();
    let page = said.stdout();
    let span = "`'</details>¦<script>@team [x](http://evil)`";
    assert!(page.contains(&format!("| labels {span} |  | {span} |")), "{page}");
    let outside: String = page.split('`').step_by(2).collect();
    assert!(!outside.contains('@') && !outside.contains("script"), "{outside}");
    assert_eq!(outside.matches("<details>").count(), outside.matches("</details>").count());
    assert!(page.contains("| `greeting` (Python) | `1.0` | `1.1` |") && page.len() < 65_536);
}

#[test]
fn the_page_stands_alone_and_escapes_what_the_image_says() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'";
    let project = two(&["--label", &format!("evil={hostile}")]);
    project.call(["diff", "oci:out", "oci:out2", "-q", "--html", "diff.html"]).succeed();
    let page = std::fs::read_to_string(project.at("diff.html")).expect("a page");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(!page.contains("<img") && !page.contains("<script>alert"), "escaped");
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"), "and there");
    assert!(
        page.contains("content=\"default-src 'none'; style-src 'sha256-") && !page.contains("unsafe-inline")
    );
    for title in
        ["Growth by cause", "Packages", "Files by package and folder", "Largest files", "Configuration"]
    {
        assert!(page.contains(&format!("<h3>{title}</h3>")), "{title}");
    }
    let refused = project.call(["diff", "oci:out", "oci:out2", "--html", "-"]).fail().shown();
    assert!(refused.contains("--html cannot be -"), "{refused}");
}

#[test]
fn images_without_a_common_platform_are_refused() {
    let project = project();
    made(&project, "oci:out", &[]);
    call(&project, &["--platform", "linux/arm64", "-o", "oci:out2"]).succeed();
    let refused = project.call(["diff", "oci:out", "oci:out2", "-q"]).fail();
    assert_eq!(refused.code(), USAGE);
    let refused = refused.shown();
    assert!(refused.contains("oci:out is for linux/amd64, but oci:out2 is for linux/arm64"), "{refused}");
    let lacking = project.call(["diff", "oci:out", "oci:out", "-q", "--platform", "s390x"]).fail().shown();
    assert!(lacking.contains("linux/s390x"), "{lacking}");
    let missing = project.call(["diff", "oci:out", "oci:nowhere", "-q"]).fail().shown();
    assert!(missing.contains("nowhere"), "{missing}");
}

#[test]
fn without_a_second_image_the_project_is_built_and_goes_nowhere() {
    let project = project();
    made(&project, "oci:out", &[]);
    let hooks =
        "[tool.containerize]\nhooks = { pre = ['echo before >> ran'], post = ['echo after >> ran'] }\n";
    project.write(&[
        ("pyproject.toml", &format!("{TABLE}\n{hooks}")),
        (".containerignore", "wheels\nbase\nout\nran\n"),
    ]);
    let flags =
        ["--", "--base", "oci:base:py", "--offline", "--platform", "linux/amd64", "--push", "--env", "A=b"];
    let words = [&["diff", "oci:out", "--format", "json", "-q"], &flags[..]].concat();
    let done =
        project.call(words).env("PIP_CONFIG_FILE", if cfg!(windows) { "nul" } else { "/dev/null" }).succeed();
    let found: Value = serde_json::from_str(done.stdout()).expect("JSON");
    assert_eq!(found["images"]["to"], "shop (built here)");
    let settings = found["platforms"][0]["configuration"]["list"].as_array().expect("a list");
    assert!(settings.iter().any(|one| one["name"] == "A" && one["change"] == "added"), "{settings:?}");
    assert_eq!(std::fs::read_to_string(project.at("ran")).expect("before").trim(), "before");
    assert!(!project.at("dist").exists(), "no layout is left behind");
    let nowhere = project.call([&["diff", "-q"], &flags[..]].concat()).fail().shown();
    assert!(nowhere.contains("shop has no repository") && nowhere.contains("after --"), "{nowhere}");
    let wrong = project.call(["diff", "oci:out", "--", "--nonsense"]).fail().shown();
    assert!(wrong.contains("--nonsense") && wrong.contains("flags of `build`"), "{wrong}");
}
