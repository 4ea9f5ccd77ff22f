#!/usr/bin/env python3
"""registry.py start PORT DIR [--auth USER:PASSWORD] [--token USER:PASSWORD] [--tls]
registry.py stop PORT DIR

A registry of its own on 127.0.0.1:PORT: CNCF distribution (`docker-registry` of Debian and Ubuntu), with
everything that it keeps in DIR.

  --auth   asks for a name and a password
  --token  asks for a token, which a service on PORT+1 gives who has the name and the password
  --tls    has a certificate, whose authority is in DIR/certs/ca.crt
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PROGRAM = "docker-registry"
SERVICE = "registry-of-tests"
ISSUER = "tokens-of-tests"
SECONDS_TO_START = 30
SECONDS_OF_A_TOKEN = 300


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("verb", choices=["start", "stop", "tokens"])
    parser.add_argument("port", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--auth")
    parser.add_argument("--token")
    parser.add_argument("--tls", action="store_true")
    call = parser.parse_args()
    call.folder.mkdir(parents=True, exist_ok=True)
    folder = call.folder.resolve()
    match call.verb:
        case "start":
            start(call.port, folder, call.auth, call.token, call.tls)
        case "stop":
            stop(folder)
        case "tokens":
            give_tokens(call.port, folder, call.token)


def start(port: int, folder: Path, auth: str | None, token: str | None, tls: bool) -> None:
    for program in [PROGRAM, "openssl", *(["htpasswd"] if auth else [])]:
        if not shutil.which(program):
            sys.exit(f"{program} is not installed")
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        sys.exit(f"something listens on port {port}")
    http: dict[str, object] = {"addr": f"127.0.0.1:{port}", "secret": secrets.token_hex(16)}
    whole = {
        "version": "0.1",
        "log": {"level": "info", "formatter": "text"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": http,
    }
    if tls:
        http["tls"] = {"certificate": str(folder / "server.crt"), "key": str(folder / "server.key")}
        make_certificates(folder)
    if auth:
        user, password = auth.split(":", 1)
        line = subprocess.run(
            ["htpasswd", "-nBi", user], input=password, text=True, stdout=subprocess.PIPE, check=True
        )
        (folder / "htpasswd").write_text(line.stdout)
        whole["auth"] = {"htpasswd": {"realm": SERVICE, "path": str(folder / "htpasswd")}}
    if token:
        openssl(
            folder,
            "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=tokens -keyout token.key -out token.crt",
        )
        whole["auth"] = {
            "token": {
                "realm": f"http://127.0.0.1:{port + 1}/token",
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(folder / "token.crt"),
            }
        }
        here = [sys.executable, __file__, "tokens", str(port + 1), str(folder), "--token", token]
        in_the_background(folder, "tokens", here)
    # JSON is YAML.
    (folder / "config.yml").write_text(json.dumps(whole, indent=2))
    in_the_background(folder, "registry", [PROGRAM, "serve", str(folder / "config.yml")])
    try:
        wait_for(
            f"http{'s' if tls else ''}://127.0.0.1:{port}/v2/", folder / "certs" / "ca.crt" if tls else None
        )
    except TimeoutError:
        stop(folder)
        sys.exit(f"it does not answer:\n{(folder / 'registry.log').read_text()[-2000:]}")


def make_certificates(folder: Path) -> None:
    """An authority that signs nothing but the certificate of this registry."""
    (folder / "certs").mkdir(exist_ok=True)
    (folder / "names").write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\n")
    openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=authority -keyout ca.key -out certs/ca.crt",
    )
    openssl(folder, "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr")
    signing = "x509 -req -days 30 -in server.csr -CA certs/ca.crt -CAkey ca.key -CAcreateserial"
    openssl(folder, f"{signing} -extfile names -out server.crt")


def openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, stderr=subprocess.DEVNULL)


def in_the_background(folder: Path, name: str, command: list[str]) -> None:
    with (folder / f"{name}.log").open("a") as log:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        process = subprocess.Popen(command, start_new_session=True, **quiet)
    (folder / f"{name}.pid").write_text(str(process.pid))


def wait_for(url: str, authority: Path | None) -> None:
    trust = ssl.create_default_context(cafile=str(authority)) if authority else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=trust)] if trust else [])
    )
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        try:
            opener.open(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(url)


def stop(folder: Path) -> None:
    for file in folder.glob("*.pid"):
        with suppress(ProcessLookupError, ValueError):
            os.kill(int(file.read_text()), signal.SIGTERM)
        file.unlink()


def give_tokens(port: int, folder: Path, login: str) -> None:
    """The service of tokens, as distribution's `spec/auth/token.md` describes it: whoever knows the login may
    do all that it asks for; others may pull what is below `public/`."""
    expected = "Basic " + base64.b64encode(login.encode()).decode()
    certificate = ssl.PEM_cert_to_DER_cert((folder / "token.crt").read_text())

    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    def signed(claims: dict) -> str:
        head = {"alg": "RS256", "typ": "JWT", "x5c": [base64.b64encode(certificate).decode()]}
        text = f"{part(json.dumps(head).encode())}.{part(json.dumps(claims).encode())}"
        command = ["openssl", "dgst", "-sha256", "-sign", str(folder / "token.key")]
        done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True)
        return f"{text}.{part(done.stdout)}"

    def allowed(scope: str, known: bool) -> dict:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        granted = actions.split(",")
        if not known:
            granted = ["pull"] if name.startswith("public/") and "pull" in granted else []
        return {"type": kind, "name": name, "actions": granted}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Authorization")
            if given not in (None, expected):
                self.answer(401, {"details": "the name or the password is wrong"})
                return
            scopes = " ".join(parse_qs(urlsplit(self.path).query).get("scope", [])).split()
            now = int(time.time())
            token = signed(
                {
                    "iss": ISSUER,
                    "sub": login.partition(":")[0] if given else "",
                    "aud": SERVICE,
                    "iat": now,
                    "nbf": now - 10,
                    "exp": now + SECONDS_OF_A_TOKEN,
                    "jti": secrets.token_hex(8),
                    "access": [allowed(scope, given is not None) for scope in scopes],
                }
            )
            self.answer(200, {"token": token, "expires_in": SECONDS_OF_A_TOKEN})

        def answer(self, code: int, content: dict) -> None:
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    ThreadingHTTPServer(("127.0.0.1", port), Answer).serve_forever()


if __name__ == "__main__":
    main()
