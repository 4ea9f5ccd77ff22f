//! What the service answers.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Every path of the service.
pub fn router() -> Router {
    Router::new()
        .route("/", get(greeting))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/time/{*zone}", get(local_time))
}

async fn greeting() -> String {
    format!("Hello from {} {}\n", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}

/// The local time in a zone such as `Europe/Lisbon`, from the system's zone files.
async fn local_time(Path(zone): Path<String>) -> Result<String, (StatusCode, String)> {
    let zone = TimeZone::get(&zone).map_err(|error| (StatusCode::NOT_FOUND, format!("{error}\n")))?;
    Ok(format!("{}\n", Timestamp::now().to_zoned(zone)))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn get(path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_greeting_names_the_program_and_its_version() {
        assert_eq!(get("/").await, (StatusCode::OK, "Hello from hello-web 0.1.0\n".into()));
    }

    #[tokio::test]
    async fn a_known_zone_gives_its_local_time() {
        let (status, body) = get("/time/America/Argentina/Buenos_Aires").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert!(body.ends_with("-03:00[America/Argentina/Buenos_Aires]\n"), "{body}");
    }

    #[tokio::test]
    async fn an_unknown_zone_is_not_found() {
        let (status, body) = get("/time/Middle/Earth").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(body.contains("Middle/Earth"), "{body}");
    }
}
