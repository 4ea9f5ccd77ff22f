//! What is found in files, and what is not.

use super::*;

fn found(name: &str, text: &str) -> bool {
    holds_secret(name, || Some(text.as_bytes()))
}

/// Put together so that no scanner takes this file for a secret.
fn key(kind: &str) -> String {
    let body =
        "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQC7VJTUt9Us8cKj\nMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3S";
    format!("{}BEGIN {kind}PRIVATE KEY-----\n{body}\n", "-".repeat(5))
}

fn random(length: usize) -> String {
    "a8Kq2LmZ0x7RtYw3Pv5NcBd9Hf1Gs4Jk6E".chars().cycle().take(length).collect()
}

#[test]
fn keys_are_found_whatever_the_file_is_called() {
    for (name, kind) in [
        ("deploy_key", ""),
        ("my_key", "OPENSSH "),
        ("id_rsa.bak", "RSA "),
        ("key.txt", "EC "),
        ("server.pem.old", "ENCRYPTED "),
        ("host_ed25519", "OPENSSH "),
    ] {
        assert!(found(name, &key(kind)), "{name}");
    }
    let in_yaml = format!("apiVersion: v1\ndata:\n  tls: |\n    {}", key("").replace('\n', "\n    "));
    assert!(found("values.yaml", &in_yaml));
    let in_json = format!("{{\"firebase\": {{\"private_key\": \"{}\"}}}}", key("").replace('\n', "\\n"));
    assert!(found("firebase.json", &in_json));
    let pgp = format!("{}BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n{}\n", "-".repeat(5), random(64));
    assert!(found("backup", &pgp));
    assert!(found("k", &format!("PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 14\n{}", random(64))));
    assert!(found("keys.txt", &format!("AGE-SECRET-KEY-1{}", random(58).to_uppercase())));
}

#[test]
fn tokens_are_found_by_their_forms() {
    for (start, length) in [
        ("ghp_", 36),
        ("glpat-", 20),
        ("npm_", 36),
        ("pypi-AgE", 120),
        ("sk_live_", 24),
        ("hf_", 34),
        ("token: xoxb-", 40),
        ("AccountName=x;AccountKey=", 86),
        ("//registry.npmjs.org/:_authToken=", 36),
    ] {
        assert!(found("settings.toml", &format!("t = \"{start}{}\"", random(length))), "{start}");
    }
    let aws = format!("id = {}{}\nsecret = {}", "AKI", "A2E0A8F3B244C9986", random(40));
    assert!(found("config.ini", &aws));
    let account = r#"{"type": "service_account", "private_key": "x"}"#;
    assert!(found("my-project-1234-abcdef.json", account));
}

#[test]
fn lists_of_requirements_with_logins_are_found() {
    let text = "--index-url https://user:t0k3n@h.example/simple\na==1\n";
    for name in
        ["requirements.txt", "requirements-dev.txt", "pylock.toml", "uv.lock", "pip.conf", "pyproject.toml"]
    {
        assert!(found(name, text), "{name}");
        assert!(!found(name, &text.replace("user:t0k3n", "${USER}:${TOKEN}")), "{name}");
        assert!(!found(name, &text.replace("user:t0k3n@", "")), "{name}");
    }
    assert!(!found("alembic.ini", "sqlalchemy.url = driver://user:pass5@localhost/db"));
}

#[test]
fn what_only_looks_alike_is_no_secret() {
    for (name, text) in [
        ("ca.pem", "-----BEGIN CERTIFICATE-----\nMIID"),
        ("id.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJr me@host"),
        ("help.txt", "it begins with -----BEGIN PRIVATE KEY-----, and so on"),
        (
            "values.yaml",
            "key: |\n  -----BEGIN PRIVATE KEY-----\n  YOUR KEY HERE\n  -----END PRIVATE KEY-----",
        ),
        ("settings.toml", "t = \"ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""),
        (
            "credentials.ini",
            "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\nkey = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ),
        (".npmrc", "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\nsave-exact=true"),
        ("data.json", r#"{"sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709", "type": "AKIA"}"#),
        ("words.txt", "self_npm_ package and SG. and hf_"),
        ("schema.json", r#"{"enum": ["service_account", "authorized_user"]}"#),
    ] {
        assert!(!found(name, text), "{name}");
    }
    assert!(!found("test_keys.py", &key("")), "programs are not judged");
    for name in ["README.md", "pkg-info", "license-mit"] {
        assert!(!found(name, &key("")), "documentation is not judged: {name}");
    }
    let far = format!("aws_secret_access_key = ...{}{}", " ".repeat(600), random(40));
    assert!(!found("notes.txt", &far), "it is not near");
    assert!(!found("model", &format!("\0{}", key(""))), "it is no text");
}

#[test]
fn the_memory_of_a_process_is_known() {
    let mut core = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0".to_vec();
    assert!(holds_secret("core", || Some(core.as_slice())));
    assert!(holds_secret("core.1234", || Some(core.as_slice())));
    core[16] = 3;
    assert!(!holds_secret("core", || Some(core.as_slice())));
    assert!(!found("core", "text"));
}

#[test]
fn what_is_not_judged_is_not_opened() {
    assert!(!holds_secret::<&[u8]>("app.py", || panic!("opened")));
}
