//! What is the same, wherever and by whom it is built again.

use containerize_tests::program::can_build;

use super::{assert_same, commit, elsewhere, push, rebuild, registry, rust};

#[test]
fn a_rust_program_is_the_same_from_another_folder() {
    if !can_build() {
        return;
    }
    let (project, registry) = (rust("[package.metadata.containerize]\nenv = { API_TOKEN = 'hunter2' }\n"), registry());
    let commit = commit(&project);
    push(&project, &registry, &["--label", "x=y", "--env", "PASSWORD=swordfish"]).succeed();
    let (_folder, place) = elsewhere(&project);
    let done = rebuild(&project, &super::image(&registry), &place, &[]).succeed();
    assert_same(&done);
    assert!(done.stdout().contains(&format!("built from commit {commit}")), "{}", done.shown());
    let json = rebuild(&project, &super::image(&registry), &place, &["--format", "json"]).succeed();
    let json: serde_json::Value = serde_json::from_str(json.stdout()).expect("JSON");
    assert_eq!((&json["same"], &json["commit"]), (&true.into(), &commit.into()));
}
