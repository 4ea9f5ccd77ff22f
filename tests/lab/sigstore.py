#!/usr/bin/env python3
"""sigstore.py start PORT DIR [--clock SECONDS]
sigstore.py stop PORT DIR

Sigstore's services on 127.0.0.1, for nobody but tests: Fulcio on PORT, Rekor v1 on PORT+1, Rekor v2 on
PORT+2 and a timestamp authority (RFC 3161) on PORT+3. They refuse what is not signed as it should be, but
take any token.

What clients need is in DIR: trusted_root.json, signing_config_v1.json and signing_config_v2.json, and a token
of a workflow on GitHub in `token`. Fulcio's port gives it at /github/token too, as GitHub does to jobs: to
whoever has the bearer's word `let-me-in`. And it is Google's metadata server.

  --clock  what Rekor and the timestamp authority are late by
"""

from __future__ import annotations

import argparse
import base64
import datetime
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ISSUER = "https://token.actions.githubusercontent.com"
WORKFLOW = "acme/shop/.github/workflows/release.yml@refs/tags/v1"
BEARER = "let-me-in"
#: Whom Google's metadata server speaks of.
ROBOT = {
    "iss": "https://accounts.google.com",
    "job_workflow_ref": None,
    "email": "robot@acme.iam.gserviceaccount.com",
}
SECONDS_TO_START = 30
MINUTES_OF_A_CERTIFICATE = 10
#: Who gave the token (Fulcio's `oid-info.md`): as bare text, and as an UTF8String.
ISSUER_OLD, ISSUER_NEW = "1.3.6.1.4.1.57264.1.1", "1.3.6.1.4.1.57264.1.8"
#: For which repository and which branch or tag of it.
SOURCE, SOURCE_REF = "1.3.6.1.4.1.57264.1.12", "1.3.6.1.4.1.57264.1.14"
#: The commit there, and the file that describes the job.
SOURCE_COMMIT, BUILD_CONFIG = "1.3.6.1.4.1.57264.1.13", "1.3.6.1.4.1.57264.1.18"
SCTS = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
POLICY = "1.3.6.1.4.1.57264.2"

Answer = tuple[int, bytes, dict[str, str]]


class Refused(Exception):
    pass


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def canonical(value: object) -> bytes:
    """JSON as RFC 8785 has it: enough for texts and numbers below 2**53."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def spki(public: object) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def must_verify(public: object, signature: bytes, content: bytes, what: str) -> None:
    try:
        public.verify(signature, content, ec.ECDSA(SHA256()))
    except Exception as error:
        raise Refused(f"{what} does not verify") from error


def pae(kind: str, payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


class Authority:
    """A root certificate, and what it signs."""

    def __init__(self, name: str) -> None:
        self.key = key()
        self.name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "tests"),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = self.builder(self.name, self.key.public_key(), datetime.timedelta(days=3650))
        builder = builder.add_extension(x509.BasicConstraints(True, 1), critical=True)
        self.root = builder.add_extension(usage, critical=True).sign(self.key, SHA256())

    def builder(self, name: x509.Name, public: object, life: datetime.timedelta) -> x509.CertificateBuilder:
        start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=5)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start)
        builder = builder.not_valid_after(start + life)
        identifier = x509.SubjectKeyIdentifier.from_public_key(public)
        return builder.add_extension(identifier, critical=False).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )


def signing_usage() -> x509.KeyUsage:
    return x509.KeyUsage(True, False, False, False, False, False, False, False, False)


class Fulcio:
    def __init__(self) -> None:
        self.authority = Authority("certificates")
        self.certificate_log = key()
        self.log_id = sha256(spki(self.certificate_log.public_key()))

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if path.startswith("/github/token"):
            if headers.get("authorization") != f"Bearer {BEARER}":
                return 401, b"", {}
            if "audience=sigstore" not in path:
                return 400, b"", {}
            return 200, json.dumps({"value": token(), "count": 1}).encode(), {}
        if path.startswith("/computeMetadata/v1/instance/service-accounts/default/identity"):
            if headers.get("metadata-flavor") != "Google" or "audience=sigstore" not in path:
                return 403, b"", {}
            return 200, token(**ROBOT).encode(), {"Content-Type": "text/html"}
        if path != "/api/v2/signingCert":
            return 404, b"", {}
        asked = json.loads(body)
        given = asked.get("credentials", {}).get("oidcIdentityToken")
        given = given or headers.get("authorization", "").removeprefix("Bearer ")
        claims = json.loads(base64.urlsafe_b64decode(given.split(".")[1] + "=="))
        if claims.get("aud") != "sigstore":
            raise Refused("the token is not for sigstore")
        if request := asked.get("certificateSigningRequest"):
            public = x509.load_pem_x509_csr(base64.b64decode(request)).public_key()
        else:
            request = asked["publicKeyRequest"]
            public = load_pem_public_key(request["publicKey"]["content"].encode())
            proof = base64.b64decode(request["proofOfPossession"])
            subject = claims.get("email") or claims["sub"]
            must_verify(public, proof, subject.encode(), "the proof of possession")
        chain = [self.certificate(claims, public), self.authority.root]
        texts = [one.public_bytes(Encoding.PEM).decode() for one in chain]
        whole = {"signedCertificateEmbeddedSct": {"chain": {"certificates": texts}}}
        return 200, json.dumps(whole).encode(), {}

    def certificate(self, claims: dict, public: object) -> x509.Certificate:
        if workflow := claims.get("job_workflow_ref"):
            name: x509.GeneralName = x509.UniformResourceIdentifier(f"https://github.com/{workflow}")
        elif email := claims.get("email"):
            name = x509.RFC822Name(email)
        else:
            name = x509.UniformResourceIdentifier(claims["sub"])
        life = datetime.timedelta(minutes=MINUTES_OF_A_CERTIFICATE)
        issuer = claims["iss"]
        builder = self.authority.builder(x509.Name([]), public, life)
        builder = builder.add_extension(signing_usage(), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=True)
        says = [(ISSUER_OLD, issuer.encode()), (ISSUER_NEW, core.UTF8String(issuer).dump())]
        if workflow:
            repository = f"https://github.com/{claims['repository']}"
            says += [(SOURCE, core.UTF8String(repository).dump())]
            says += [(SOURCE_REF, core.UTF8String(claims["ref"]).dump())]
            says += [(SOURCE_COMMIT, core.UTF8String(claims["sha"]).dump())]
            config = f"https://github.com/{claims['workflow_ref']}"
            says += [(BUILD_CONFIG, core.UTF8String(config).dump())]
        for number, content in says:
            own = x509.UnrecognizedExtension(x509.ObjectIdentifier(number), content)
            builder = builder.add_extension(own, critical=False)
        # What the log signs is the certificate without the log's own word (RFC 6962, 3.2).
        bare = builder.sign(self.authority.key, SHA256()).tbs_certificate_bytes
        moment = int(time.time() * 1000).to_bytes(8, "big")
        issuer_key = sha256(spki(self.authority.key.public_key()))
        entry = b"\0\1" + issuer_key + len(bare).to_bytes(3, "big") + bare
        signature = self.certificate_log.sign(b"\0\0" + moment + entry + b"\0\0", ec.ECDSA(SHA256()))
        word = (
            b"\0" + self.log_id + moment + b"\0\0" + b"\4\3" + len(signature).to_bytes(2, "big") + signature
        )
        inner = len(word).to_bytes(2, "big") + word
        words = core.OctetString(len(inner).to_bytes(2, "big") + inner).dump()
        builder = builder.add_extension(x509.UnrecognizedExtension(SCTS, words), critical=False)
        return builder.sign(self.authority.key, SHA256())


class Tree:
    """A Merkle tree (RFC 6962, 2.1)."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []

    def add(self, body: bytes) -> int:
        self.leaves.append(sha256(b"\0" + body))
        return len(self.leaves) - 1

    def root(self, leaves: list[bytes] | None = None) -> bytes:
        leaves = self.leaves if leaves is None else leaves
        if len(leaves) == 1:
            return leaves[0]
        middle = self.middle(len(leaves))
        return sha256(b"\1" + self.root(leaves[:middle]) + self.root(leaves[middle:]))

    def proof(self, index: int, leaves: list[bytes] | None = None) -> list[bytes]:
        leaves = self.leaves if leaves is None else leaves
        if len(leaves) == 1:
            return []
        middle = self.middle(len(leaves))
        if index < middle:
            return [*self.proof(index, leaves[:middle]), self.root(leaves[middle:])]
        return [*self.proof(index - middle, leaves[middle:]), self.root(leaves[:middle])]

    @staticmethod
    def middle(size: int) -> int:
        return 1 << (size - 1).bit_length() - 1


class Rekor:
    """Either version: what both do."""

    def __init__(self, origin: str, late: int) -> None:
        self.origin, self.late, self.tree, self.lock = origin, late, Tree(), Lock()
        self.known: dict[str, bytes] = {}
        # Some entries of others, so that proofs are not empty.
        for other in range(5):
            self.tree.add(b"other %d" % other)

    def checkpoint(self, hint: bytes, sign: Callable[[bytes], bytes]) -> str:
        text = f"{self.origin}\n{len(self.tree.leaves)}\n{b64(self.tree.root())}\n"
        host = self.origin.partition(" ")[0]
        return f"{text}\n\N{EM DASH} {host} {b64(hint + sign(text.encode()))}\n"


class RekorV1(Rekor):
    def __init__(self, origin: str, late: int) -> None:
        super().__init__(origin, late)
        self.key = key()
        self.id = sha256(spki(self.key.public_key()))

    def sign(self, content: bytes) -> bytes:
        return self.key.sign(content, ec.ECDSA(SHA256()))

    def answer(self, path: str, _headers: dict[str, str], body: bytes) -> Answer:
        entries = "/api/v1/log/entries"
        if path.startswith(f"{entries}/"):
            known = self.known.get(path.rpartition("/")[2])
            return (200, known, {}) if known else (404, b"", {})
        if path != entries:
            return 404, b"", {}
        content = canonical(self.recorded(json.loads(body)))
        name = sha256(b"\0" + content).hex()
        place = {"Location": f"{entries}/{name}", "ETag": name}
        with self.lock:
            if name in self.known:
                message = {"code": 409, "message": "an equivalent entry already exists"}
                return 409, json.dumps(message).encode(), place
            index = self.tree.add(content)
            moment = int(time.time()) + self.late
            promise = {
                "body": b64(content),
                "integratedTime": moment,
                "logIndex": index,
                "logID": self.id.hex(),
            }
            verification = {
                "signedEntryTimestamp": b64(self.sign(canonical(promise))),
                "inclusionProof": {
                    "checkpoint": self.checkpoint(self.id[:4], self.sign),
                    "hashes": [one.hex() for one in self.tree.proof(index)],
                    "logIndex": index,
                    "rootHash": self.tree.root().hex(),
                    "treeSize": len(self.tree.leaves),
                },
            }
            self.known[name] = json.dumps({name: {**promise, "verification": verification}}).encode()
        return 201, self.known[name], place

    def recorded(self, asked: dict) -> dict:
        spec = asked["spec"]
        if asked["kind"] == "hashedrekord":
            public = load_public(base64.b64decode(spec["signature"]["publicKey"]["content"]))
            signature = base64.b64decode(spec["signature"]["content"])
            digest = bytes.fromhex(spec["data"]["hash"]["value"])
            must_be_of(public, signature, digest)
            return asked
        if asked["kind"] != "dsse":
            raise Refused(f"{asked['kind']} is not recorded here")
        proposed = spec["proposedContent"]
        envelope = json.loads(proposed["envelope"])
        payload, [signature] = base64.b64decode(envelope["payload"]), envelope["signatures"]
        [verifier] = proposed["verifiers"]
        public, verifier = load_public(base64.b64decode(verifier)), as_rekor_writes(verifier)
        must_verify(
            public, base64.b64decode(signature["sig"]), pae(envelope["payloadType"], payload), "the envelope"
        )
        return {
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": {"algorithm": "sha256", "value": sha256(proposed["envelope"].encode()).hex()},
                "payloadHash": {"algorithm": "sha256", "value": sha256(payload).hex()},
                "signatures": [{"signature": signature["sig"], "verifier": verifier}],
            },
        }


class RekorV2(Rekor):
    def __init__(self, origin: str, late: int) -> None:
        super().__init__(origin, late)
        self.key = ed25519.Ed25519PrivateKey.generate()
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        # The name of a key in a checkpoint (C2SP `signed-note`).
        self.id = sha256(f"{origin}\n".encode() + b"\1" + raw)

    def answer(self, path: str, _headers: dict[str, str], body: bytes) -> Answer:
        if path != "/api/v2/log/entries":
            return 404, b"", {}
        asked = json.loads(body)["hashedRekordRequestV002"]
        signature, digest = asked["signature"], base64.b64decode(asked["digest"])
        verifier = signature["verifier"]
        certificate = base64.b64decode(verifier["x509Certificate"]["rawBytes"])
        public = x509.load_der_x509_certificate(certificate).public_key()
        must_be_of(public, base64.b64decode(signature["content"]), digest)
        data = {"algorithm": "SHA2_256", "digest": asked["digest"]}
        spec = {"hashedRekordV002": {"data": data, "signature": signature}}
        content = canonical({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec})
        with self.lock:
            index = self.tree.add(content)
            entry = {
                "logIndex": str(index),
                "logId": {"keyId": b64(self.id)},
                "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
                "integratedTime": "0",
                "inclusionPromise": None,
                "inclusionProof": {
                    "logIndex": str(index),
                    "rootHash": b64(self.tree.root()),
                    "treeSize": str(len(self.tree.leaves)),
                    "hashes": [b64(one) for one in self.tree.proof(index)],
                    "checkpoint": {"envelope": self.checkpoint(self.id[:4], self.key.sign)},
                },
                "canonicalizedBody": b64(content),
            }
        return 201, json.dumps(entry).encode(), {}


def as_rekor_writes(verifier: str) -> str:
    """A certificate in PEM, its lines as Rekor ends them."""
    return b64(x509.load_pem_x509_certificate(base64.b64decode(verifier)).public_bytes(Encoding.PEM))


def load_public(pem: bytes) -> object:
    if b"CERTIFICATE" in pem:
        return x509.load_pem_x509_certificate(pem).public_key()
    return load_pem_public_key(pem)


def must_be_of(public: object, signature: bytes, digest: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    try:
        public.verify(signature, digest, ec.ECDSA(Prehashed(SHA256())))
    except Exception as error:
        raise Refused("the signature does not verify") from error


class Clock:
    """A timestamp authority."""

    def __init__(self, late: int) -> None:
        self.late = late
        self.authority = Authority("timestamps")
        self.key = key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clock")])
        builder = self.authority.builder(name, self.key.public_key(), datetime.timedelta(days=3650))
        builder = builder.add_extension(signing_usage(), critical=True)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        self.leaf = builder.add_extension(usage, critical=True).sign(self.authority.key, SHA256())

    def answer(self, path: str, _headers: dict[str, str], body: bytes) -> Answer:
        if path != "/api/v1/timestamp":
            return 404, b"", {}
        asked = tsp.TimeStampReq.load(body)
        moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.late)
        info = {
            "version": 1,
            "policy": POLICY,
            "message_imprint": asked["message_imprint"],
            "serial_number": secrets.randbits(63),
            "gen_time": moment.replace(microsecond=0),
        }
        if asked["nonce"].native is not None:
            info["nonce"] = asked["nonce"]
        content = tsp.TSTInfo(info).dump()
        leaf = asn1_x509.Certificate.load(self.leaf.public_bytes(Encoding.DER))
        certificate = {"hash_algorithm": {"algorithm": "sha256"}, "cert_hash": sha256(leaf.dump())}
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [sha256(content)]},
                {"type": "signing_certificate_v2", "values": [{"certs": [certificate]}]},
            ]
        )
        signature = self.key.sign(attributes.dump(), ec.ECDSA(SHA256()))
        algorithm = algos.DigestAlgorithm({"algorithm": "sha256"})
        signer = {
            "version": "v1",
            "sid": {
                "issuer_and_serial_number": {
                    "issuer": leaf.issuer,
                    "serial_number": leaf.serial_number,
                }
            },
            "digest_algorithm": algorithm,
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": signature,
        }
        data = {
            "version": "v3",
            "digest_algorithms": [algorithm],
            "encap_content_info": {
                "content_type": "tst_info",
                "content": core.ParsableOctetString(content),
            },
            "certificates": [leaf] if asked["cert_req"].native else None,
            "signer_infos": [signer],
        }
        whole = tsp.TimeStampResp(
            {
                "status": {"status": "granted"},
                "time_stamp_token": {"content_type": "signed_data", "content": cms.SignedData(data)},
            }
        )
        return 201, whole.dump(), {"Content-Type": "application/timestamp-reply"}


def token(**changed: object) -> str:
    """The token of a workflow, as GitHub gives it, but signed by nobody."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "sigstore",
        "sub": "repo:acme/shop:ref:refs/tags/v1",
        "job_workflow_ref": WORKFLOW,
        "repository": "acme/shop",
        "ref": "refs/tags/v1",
        "sha": "5c41f0e7a1b5c41f0e7a1b5c41f0e7a1b5c41f0e",
        # Where the one before is called from; both are the same without that.
        "workflow_ref": WORKFLOW,
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        **changed,
    }
    parts = [{"alg": "ES256", "typ": "JWT"}, claims, "signed by nobody"]
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )


def serve(port: int, folder: Path, late: int) -> None:
    addresses = [f"http://127.0.0.1:{port + n}" for n in range(4)]
    fulcio, clock = Fulcio(), Clock(late)
    # A checkpoint names its log by the host, that of version 1 and its tree: clients tell them apart by it.
    rekor1, rekor2 = RekorV1("127.0.0.1 - 1980", late), RekorV2("127.0.0.1", late)
    start = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)).isoformat(timespec="seconds")
    since = {"start": start.replace("+00:00", "Z")}

    def log(address: str, public: object, number: bytes, kind: str) -> dict:
        shown = {"rawBytes": b64(spki(public)), "keyDetails": kind, "validFor": since}
        number_shown = {"keyId": b64(number)}
        return {
            "baseUrl": address,
            "hashAlgorithm": "SHA2_256",
            "publicKey": shown,
            "logId": number_shown,
        }

    def authority(address: str, name: str, chain: list[x509.Certificate]) -> dict:
        certificates = [{"rawBytes": b64(one.public_bytes(Encoding.DER))} for one in chain]
        return {
            "subject": {"organization": "tests", "commonName": name},
            "uri": address,
            "certChain": {"certificates": certificates},
            "validFor": since,
        }

    p256, ed = "PKIX_ECDSA_P256_SHA_256", "PKIX_ED25519"
    root = {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [
            log(addresses[1], rekor1.key.public_key(), rekor1.id, p256),
            log(addresses[2], rekor2.key.public_key(), rekor2.id, ed),
        ],
        "certificateAuthorities": [authority(addresses[0], "certificates", [fulcio.authority.root])],
        "ctlogs": [log(f"{addresses[0]}/ct", fulcio.certificate_log.public_key(), fulcio.log_id, p256)],
        "timestampAuthorities": [authority(addresses[3], "timestamps", [clock.leaf, clock.authority.root])],
    }
    (folder / "trusted_root.json").write_text(json.dumps(root, indent=1))

    def service(address: str, version: int) -> list[dict]:
        return [{"url": address, "majorApiVersion": version, "validFor": since, "operator": "tests"}]

    for version in (1, 2):
        config = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": service(addresses[0], 1),
            "oidcUrls": [],
            "rekorTlogUrls": service(addresses[version], version),
            "tsaUrls": service(f"{addresses[3]}/api/v1/timestamp", 1),
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        }
        (folder / f"signing_config_v{version}.json").write_text(json.dumps(config, indent=1))
    (folder / "token").write_text(token())
    answers = [fulcio.answer, rekor1.answer, rekor2.answer, clock.answer]
    servers = [ThreadingHTTPServer(("127.0.0.1", port + n), handler(one)) for n, one in enumerate(answers)]
    threads = [Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def handler(answer: Callable[[str, dict[str, str], bytes], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(b"")

        def do_POST(self) -> None:
            self.reply(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def reply(self, body: bytes) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                code, content, more = answer(self.path, headers, body)
            except (Refused, ValueError, KeyError, TypeError) as error:
                content = json.dumps({"code": 3, "message": str(error)}).encode()
                code, more = 400, {}
            self.send_response(code)
            for name, value in {"Content-Type": "application/json", **more}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


def start(port: int, folder: Path, late: int) -> None:
    command = [sys.executable, __file__, "serve", str(port), str(folder), "--clock", str(late)]
    with (folder / "sigstore.log").open("a") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    (folder / "sigstore.pid").write_text(str(process.pid))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            opener.open(f"http://127.0.0.1:{port + 3}/", timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    stop(folder)
    sys.exit(f"it does not answer:\n{(folder / 'sigstore.log').read_text()[-2000:]}")


def stop(folder: Path) -> None:
    with suppress(OSError, ValueError):
        os.kill(int((folder / "sigstore.pid").read_text()), signal.SIGTERM)
        (folder / "sigstore.pid").unlink()


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("verb", choices=["start", "stop", "serve"])
    parser.add_argument("port", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clock", type=int, default=0)
    call = parser.parse_args()
    call.folder.mkdir(parents=True, exist_ok=True)
    folder = call.folder.resolve()
    match call.verb:
        case "start":
            start(call.port, folder, call.clock)
        case "stop":
            stop(folder)
        case "serve":
            serve(call.port, folder, call.clock)


if __name__ == "__main__":
    main()
