"""The embedded base is enough for a program that speaks HTTPS and knows time zones."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import AMD64, FIXTURES, built_once, need, need_target, run
from validator import validate_layout

PAGE = b"over TLS\n"
MOZILLA_AT_LEAST = 100


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def authority(module_path: Path) -> Path:
    """A folder with a private authority (ca.pem) and a server certificate for localhost (server.pem)."""
    need("openssl")
    folder = module_path
    key = ["-newkey", "rsa:2048", "-nodes", "-days", "30"]
    ca = ["-subj", "/CN=journeys", "-addext", "basicConstraints=critical,CA:TRUE"]
    run(["openssl", "req", "-x509", *key, *ca, "-keyout", "ca.key", "-out", "ca.pem"], cwd=folder)
    run(
        ["openssl", "req", *key, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "csr.pem"],
        cwd=folder,
    )
    (folder / "extensions").write_text("subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n")
    sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "extensions"]
    run(["openssl", "x509", "-req", "-in", "csr.pem", *sign, "-out", "cert.pem"], cwd=folder)
    pair = folder.joinpath("cert.pem").read_text() + folder.joinpath("key.pem").read_text()
    folder.joinpath("server.pem").write_text(pair)
    return folder


@pytest.fixture(scope="module")
def server(authority: Path) -> Iterator[str]:
    """The address of a page that only the private authority vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem")
    page = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    page.socket = context.wrap_socket(page.socket, server_side=True)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    yield f"https://localhost:{page.server_port}/"
    page.shutdown()
    page.server_close()


def test_the_image_has_roots_and_zones(program, podman, authority: Path, server: str, tmp_path: Path) -> None:
    need_target(AMD64)
    # One more bundle of roots in the image, beside the one that the base has.
    added = tmp_path / "added.toml"
    added.write_text(f'files = [{{ from = "{authority}/ca.pem", to = "/etc/ssl/certs/private-ca.pem" }}]\n')
    output = f"oci:{tmp_path}/layout:1"
    program("--config", added, "-o", output, cwd=FIXTURES / "https-client", env=built_once("https-client"))
    layout = validate_layout(tmp_path / "layout")
    assert "etc/ssl/certs/private-ca.pem" in layout.image().files()
    image = podman.take(tmp_path / "layout", "1")

    roots = int(podman.run(image, "--count-roots").out)
    assert roots > MOZILLA_AT_LEAST

    trusting = ["--env", "SSL_CERT_FILE=/etc/ssl/certs/private-ca.pem"]
    told = podman.run(image, server, "America/Sao_Paulo", options=trusting).out
    assert told.startswith(PAGE.decode()) and told.endswith("-03:00[America/Sao_Paulo]\n")

    stranger = podman.run(image, server, "UTC", code=None)
    assert stranger.code != 0 and "UnknownIssuer" in stranger.err + stranger.out
