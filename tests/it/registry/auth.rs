//! Who is told which secret, how often, and over what.

use containerize_core::event::Outcome;
use containerize_core::oci::media_type;
use containerize_core::registry::Explicit;
use containerize_core::{Kind, http::Secret};
use containerize_tests::registry::{Fault, Options, Phase, TestRegistry};

use super::*;

#[tokio::test]
async fn sixteen_pushes_at_once_ask_for_one_token() {
    let registry = TestRegistry::start(Options { expires_in: Some(300), ..Options::token() });
    let (client, to) = (as_me(&registry), repository(&registry, "app"));
    let blobs: Vec<Blob> = (0..16).map(|seed| blob(data(seed, 10_000))).collect();
    let pushes = blobs.iter().map(|blob| client.push_blob(&to, blob, "x", None));
    for outcome in futures_util::future::join_all(pushes).await {
        assert_eq!(outcome.expect("pushed"), Outcome::Done);
    }
    assert_eq!(registry.count(Phase::Token), 1);
    // One that found plain HTTP, of which TLS saw nothing.
    assert_eq!(registry.count(Phase::Ping), 1);
    let token = registry.requests().into_iter().find(|seen| seen.phase == Phase::Token).expect("token");
    assert_eq!(token.query("scope"), Some("repository:app:pull,push"));
    assert_eq!(token.query("service"), Some("test-registry"));
}

#[tokio::test]
async fn a_mount_asks_for_the_source_as_well() {
    let registry = TestRegistry::start(Options::token());
    registry.put_blob("base", data(1, 100));
    let (to, base) = (repository(&registry, "app"), repository(&registry, "base"));
    let outcome = as_me(&registry).push_blob(&to, &blob(data(1, 100)), "x", Some(&base)).await;
    assert_eq!(outcome.expect("mounted"), Outcome::Mounted);
    let asked = registry.requests();
    let scopes = asked.iter().rfind(|seen| seen.phase == Phase::Token).expect("token");
    let scopes: Vec<&str> =
        scopes.query.iter().filter(|(name, _)| name == "scope").map(|(_, value)| value.as_str()).collect();
    assert_eq!(scopes, ["repository:app:pull,push", "repository:base:pull"]);
}

#[tokio::test]
async fn the_token_goes_to_the_registry_and_the_password_to_the_token_service() {
    let registry = TestRegistry::start(Options::token());
    as_me(&registry)
        .push_blob(&repository(&registry, "x"), &blob(data(1, 9)), "x", None)
        .await
        .expect("pushed");
    for seen in registry.requests() {
        let shown = seen.header("authorization");
        match seen.phase {
            Phase::Ping => assert_eq!(shown, None),
            Phase::Token => assert!(shown.is_some_and(|shown| shown.starts_with("Basic "))),
            _ => assert!(shown.is_some_and(|shown| shown.starts_with("Bearer ")), "{seen:?}"),
        }
    }
}

#[tokio::test]
async fn a_token_is_renewed_when_it_ends_and_when_it_is_refused() {
    let registry = TestRegistry::start(Options { expires_in: Some(0), ..Options::token() });
    let (client, to) = (as_me(&registry), repository(&registry, "x"));
    client.push_blob(&to, &blob(data(1, 9)), "x", None).await.expect("pushed");
    assert_eq!(registry.count(Phase::Token), 3, "HEAD, POST and PUT: none is used beyond its life");

    let registry = TestRegistry::start(Options { expires_in: Some(300), ..Options::token() });
    let (client, to) = (as_me(&registry), repository(&registry, "x"));
    registry.inject(Fault::Revoked.on(Phase::PutBlob).after(1));
    for seed in 0..3 {
        client.push_blob(&to, &blob(data(seed, 200_000)), "x", None).await.expect("pushed");
    }
    assert_eq!(registry.count(Phase::Token), 2);
    assert_eq!(registry.count(Phase::PutBlob), 4, "the refused one goes on in its session");
    assert_eq!(registry.count(Phase::PostUpload), 3);
}

#[tokio::test]
async fn a_registry_that_refuses_every_token_is_asked_twice_and_no_more() {
    let registry = TestRegistry::start(Options::token());
    registry.inject(Fault::Revoked.on(Phase::PutManifest).always());
    let at = repository(&registry, "x").with_tag("1");
    let error = as_me(&registry).push_manifest(&at, media_type::OCI_MANIFEST, "{}".into()).await;
    let error = error.expect_err("refused");
    assert_eq!(registry.count(Phase::PutManifest), 2);
    assert!(error.hint_text().expect("hint").contains("CONTAINERIZE_AUTH_127_0_0_1_"), "{error:?}");
}

#[tokio::test]
async fn basic_authentication_is_shown_only_after_it_was_asked_for() {
    let registry = TestRegistry::start(Options::basic());
    let (client, to) = (as_me(&registry), repository(&registry, "x"));
    assert_eq!(client.push_blob(&to, &blob(data(1, 9)), "x", None).await.expect("pushed"), Outcome::Done);
    let requests = registry.requests();
    assert_eq!(requests[0].phase, Phase::Ping);
    assert_eq!(requests[0].header("authorization"), None);
    assert!(requests[1..].iter().all(|seen| seen.header("authorization") == Some("Basic bWU6c2VjcmV0")));
}

#[tokio::test]
async fn refusals_say_what_to_do_and_not_the_password() {
    for registry in [TestRegistry::start(Options::basic()), TestRegistry::start(Options::token())] {
        let (address, to) = (registry.address(), repository(&registry, "x"));
        let error = anonymous().push_blob(&to, &blob(data(1, 9)), "x", None).await.expect_err("refused");
        assert_eq!(error.kind(), Kind::Network);
        let hint = error.hint_text().expect("hint");
        assert!(hint.contains(&format!("docker login {address}")), "{error:?}");

        let wrong = client(options(), credentials(&address, "me:hunter2"));
        let error = wrong.push_blob(&to, &blob(data(1, 9)), "x", None).await.expect_err("refused");
        let text = format!("{error:?}");
        assert!(error.hint_text().expect("hint").contains("credential from CONTAINERIZE_AUTH_"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("401 Unauthorized"), "{text}");
    }
}

#[tokio::test]
async fn the_token_services_own_words_are_passed_on() {
    let registry = TestRegistry::start(Options::token());
    let wrong = client(options(), credentials(&registry.address(), "me:wrong"));
    let at = repository(&registry, "x").with_tag("1");
    let text = format!("{:?}", wrong.manifest(&at).await.expect_err("refused"));
    assert!(text.contains("incorrect username or password"), "{text}");
    assert!(text.contains(&format!("no token for {0} from http://{0}/token", registry.address())), "{text}");

    registry.inject(Fault::Status(500).on(Phase::Token).always());
    let error = as_me(&registry).manifest(&at).await.expect_err("down");
    assert!(format!("{error:?}").contains("500 Internal Server Error"), "{error:?}");
    assert_eq!(registry.count(Phase::Token), 4, "one that was refused, three that failed");
}

#[tokio::test]
async fn a_public_repository_is_read_without_credentials() {
    let registry = TestRegistry::start(Options { anonymous_pull: true, ..Options::token() });
    registry.put_manifest("x", "1", media_type::OCI_INDEX, "{}");
    let fetched = anonymous().manifest(&repository(&registry, "x").with_tag("1")).await;
    assert_eq!(fetched.expect("public").bytes, "{}");
}

#[tokio::test]
async fn an_identity_token_is_posted_to_the_token_service_only() {
    let registry = TestRegistry::start(Options::token());
    let config = format!(
        r#"{{"auths": {{"{}": {{"auth": "eDp4", "identitytoken": "refresh-secret"}}}}}}"#,
        registry.address()
    );
    let sources = AuthSources::from_variables([("DOCKER_AUTH_CONFIG".into(), config.into())]);
    let client = client(options(), Credentials::new(sources));
    client.push_blob(&repository(&registry, "x"), &blob(data(1, 9)), "x", None).await.expect("pushed");
    let asked: Vec<_> = registry.requests().into_iter().filter(|seen| seen.phase == Phase::Token).collect();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].method.as_str(), asked[0].header("authorization")), ("POST", None));
}

#[tokio::test]
async fn an_identity_token_does_not_follow_a_redirect() {
    let (registry, thief) = (TestRegistry::start(Options::token()), TestRegistry::open());
    registry.inject(Fault::Redirect(thief.url()).on(Phase::Token).always());
    let config =
        format!(r#"{{"auths": {{"{}": {{"identitytoken": "refresh-secret"}}}}}}"#, registry.address());
    let sources = AuthSources::from_variables([("DOCKER_AUTH_CONFIG".into(), config.into())]);
    let client = client(options(), Credentials::new(sources));
    let pushed = client.push_blob(&repository(&registry, "x"), &blob(data(1, 9)), "x", None).await;
    assert!(pushed.is_err());
    assert!(thief.requests().is_empty());
}

#[tokio::test]
async fn a_registry_token_is_sent_as_it_is_and_to_its_registry_only() {
    let registry =
        TestRegistry::start(Options { static_token: Some("jwt-secret".into()), ..Options::token() });
    let (client, to) = (with_registry_token(&registry, "jwt-secret"), repository(&registry, "x"));
    client.push_blob(&to, &blob(data(1, 9)), "x", None).await.expect("pushed");
    assert_eq!(registry.count(Phase::Token), 0);
    let requests = registry.requests();
    assert_eq!(requests[0].header("authorization"), None, "not before it is asked for");
    assert!(requests[1..].iter().all(|seen| seen.header("authorization") == Some("Bearer jwt-secret")));

    let error = with_registry_token(&registry, "other").push_blob(&to, &blob(data(2, 9)), "x", None).await;
    let text = format!("{:?}", error.expect_err("refused"));
    assert!(text.contains("401 Unauthorized") && text.contains("DOCKER_AUTH_CONFIG"), "{text}");
}

fn with_registry_token(registry: &TestRegistry, token: &str) -> Client {
    let config = format!(r#"{{"auths": {{"{}": {{"registrytoken": "{token}"}}}}}}"#, registry.address());
    let sources = AuthSources::from_variables([("DOCKER_AUTH_CONFIG".into(), config.into())]);
    client(options(), Credentials::new(sources))
}

#[tokio::test]
async fn a_password_for_one_registry_is_told_to_no_other() {
    let (mine, other) = (TestRegistry::start(Options::basic()), TestRegistry::start(Options::basic()));
    let explicit = Explicit {
        registry: mine.address(),
        username: "me".into(),
        password: Secret::new("secret"),
        source: "--username",
    };
    let client = client(options(), Credentials::none().with(explicit));
    let at = |registry: &TestRegistry| repository(registry, "x").with_tag("1");
    mine.put_manifest("x", "1", media_type::OCI_INDEX, "{}");
    client.manifest(&at(&mine)).await.expect("mine");
    client.manifest(&at(&other)).await.expect_err("not mine");
    assert!(other.requests().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn a_realm_that_is_not_encrypted_gets_nothing() {
    let realm = Some("http://auth.example.com/token".to_owned());
    let registry = TestRegistry::start(Options { realm, ..Options::token() });
    let error =
        as_me(&registry).manifest(&repository(&registry, "x").with_tag("1")).await.expect_err("refused");
    assert!(
        format!("{error:?}").contains("http://auth.example.com/token, which is not encrypted"),
        "{error:?}"
    );
}

#[tokio::test]
async fn tls_is_spoken_where_it_can_be_and_its_certificate_counts_on_loopback_too() {
    let registry = TestRegistry::start(Options { tls: true, ..Options::basic() });
    registry.put_manifest("x", "1", media_type::OCI_INDEX, "{}");
    let at = repository(&registry, "x").with_tag("1");

    let error = as_me(&registry).manifest(&at).await.expect_err("not trusted");
    assert!(format!("{error:?}").contains("is not trusted"), "{error:?}");
    assert!(error.hint_text().expect("hint").contains("SSL_CERT_FILE"), "{error:?}");
    let mut insecure = options();
    insecure.insecure = vec![registry.address()];
    let error = client(insecure, credentials(&registry.address(), "me:secret")).manifest(&at).await;
    assert!(format!("{:?}", error.expect_err("insecure is not unverified")).contains("is not trusted"));
    assert!(registry.requests().is_empty(), "nobody said anything to a stranger");

    let mut trusting = options();
    trusting.extra_roots = vec![registry.certificate().expect("certificate").to_vec()];
    let trusting = client(trusting, credentials(&registry.address(), "me:secret"));
    assert_eq!(trusting.manifest(&at).await.expect("trusted").bytes, "{}");
}
