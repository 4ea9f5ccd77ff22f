//! Secrets that their names tell: files and folders in which tools keep passwords, keys and tokens.

/// Folders that hold little else.
const FOLDERS: &[&str] = &[".aws", ".azure", ".gnupg", ".kube", ".oci", ".password-store", ".ssh"];

/// Files that hold passwords and tokens.
const FILES: &[&str] = &[
    ".boto",
    ".credentials",
    ".databrickscfg",
    ".dockercfg",
    ".git-credentials",
    ".htpasswd",
    ".my.cnf",
    ".netrc",
    ".passwd-s3fs",
    ".pgpass",
    ".pgpass.conf",
    ".pypirc",
    ".s3cfg",
    ".terraformrc",
    ".vault-token",
    ".vault_pass",
    ".vault_password",
    "_netrc",
    "application_default_credentials.json",
    "client_secret.json",
    "client_secrets.json",
    "credentials",
    "credentials.json",
    "credentials.tfrc.json",
    "id_dsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
    "id_rsa",
    "kaggle.json",
    "kubeconfig",
    "pgpass.conf",
    "rclone.conf",
    "secrets.json",
    "secrets.toml",
    "secrets.yaml",
    "secrets.yml",
    "terraform.rc",
    "terraform.tfstate",
    "terraform.tfstate.backup",
    "vault_pass.txt",
];

/// What shells and interpreters were told, passwords included.
const HISTORIES: &[&str] = &[
    ".bash_history",
    ".mysql_history",
    ".node_repl_history",
    ".psql_history",
    ".python_history",
    ".rediscli_history",
    ".sh_history",
    ".sqlite_history",
    ".zsh_history",
];

/// Files with common names, in the folders that make them secret.
const IN_FOLDERS: &[(&str, &str)] = &[
    (".cargo", "credentials.toml"),
    (".composer", "auth.json"),
    (".docker", "config.json"),
    (".huggingface", "token"),
    (".snowsql", "config"),
    ("gcloud", "access_tokens.db"),
    ("gcloud", "credentials.db"),
    ("huggingface", "token"),
];

/// Endings of files that hold keys.
const KEYS: &[&str] = &[".jks", ".kdbx", ".key", ".keystore", ".p12", ".pfx", ".ppk"];

/// Endings of files that hold the values of somebody's own deployment.
const VALUES: &[&str] = &[".tfvars", ".tfvars.json"];

/// Parts of the names of files that show how a secret one looks.
const EXAMPLES: &[&str] = &[
    "default",
    "defaults",
    "dist",
    "dummy",
    "example",
    "examples",
    "fake",
    "sample",
    "samples",
    "template",
    "templates",
    "tmpl",
];

/// Whether a folder of this name, in lower case, holds secrets.
pub(super) fn is_secret_folder(name: &str) -> bool {
    FOLDERS.contains(&name)
}

/// Whether a file of this name is secret. Both names in lower case; `folder` is the one that it is in.
pub(super) fn is_secret_file(name: &str, folder: &str) -> bool {
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    is_environment(name)
        || FILES.contains(&name)
        || HISTORIES.contains(&name)
        || IN_FOLDERS.contains(&(folder, name))
        || ends(KEYS)
        || (ends(VALUES) && !is_example(name))
}

/// `.env`, `.env.local`, `env.local` and `prod.env`, but not `.env.example`.
fn is_environment(name: &str) -> bool {
    let starts = |start: &str| {
        let rest = name.strip_prefix(start)?;
        (rest.is_empty() || rest.starts_with(['.', '-', '_']) || rest == "rc").then_some(())
    };
    let is_one = starts(".env").is_some() || name == "env.local" || name.ends_with(".env");
    is_one && !is_example(name) && !ENDINGS_OF_CODE.iter().any(|end| name.ends_with(end))
}

/// A module may be about such files.
const ENDINGS_OF_CODE: &[&str] = &[".js", ".md", ".py", ".rst", ".ts"];

fn is_example(name: &str) -> bool {
    name.split(['.', '-', '_']).any(|part| EXAMPLES.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_files_are_known_by_their_names() {
        for path in [
            "/.env",
            "/.env.local",
            "/.envrc",
            "/prod.env",
            "/production.env",
            "/env.local",
            "/secrets.env",
            "/serverless.env",
            "/id_rsa",
            "/tls.key",
            "/a.p12",
            "/.netrc",
            "/.pypirc",
            ".docker/config.json",
            "/.dockercfg",
            "/kubeconfig",
            "/terraform.tfstate",
            "/terraform.tfstate.backup",
            "/prod.tfvars",
            "/.terraformrc",
            "/credentials.tfrc.json",
            "/.boto",
            "/.databrickscfg",
            ".snowsql/config",
            "/.pgpass.conf",
            "/.passwd-s3fs",
            "/rclone.conf",
            ".huggingface/token",
            "/kaggle.json",
            ".cargo/credentials.toml",
            ".composer/auth.json",
            "gcloud/credentials.db",
            "/client_secret.json",
            "/secrets.json",
            "/secrets.yaml",
            "/secrets.yml",
            "/.vault_pass",
            "/.bash_history",
        ] {
            let (folder, name) = path.split_once('/').expect("a folder");
            assert!(is_secret_file(name, folder), "{path}");
        }
        for folder in [".ssh", ".aws", ".kube", ".azure", ".gnupg"] {
            assert!(is_secret_folder(folder), "{folder}");
        }
    }

    #[test]
    fn what_is_about_secrets_or_shows_how_they_look_is_none() {
        for path in [
            "/.env.example",
            "/.env.sample",
            "/example.env",
            "/env.template",
            "/.environment",
            "/env.py",
            "/id_rsa.pub",
            "/config.json",
            "app/config.json",
            "/token",
            "/config",
            "/auth.json",
            "/secrets.py",
            "/.env.d.ts",
            "/monkey",
            "/prod.tfvars.example",
            "/example.tfvars",
            "/credentials.py",
            "/environment.yml",
            "/server.crt",
            "/history.txt",
            "/dotenv.md",
        ] {
            let (folder, name) = path.split_once('/').expect("a folder");
            assert!(!is_secret_file(name, folder), "{path}");
        }
    }
}
