"""Certificates, tokens and kubeconfigs of one test control plane: made anew for each start, never stored elsewhere.

The one thing to know: users are rows of a token file, so a test gets one kubeconfig a user and the API server's real
RBAC decides. The certificates are good for a day, the tokens are random.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class User:
    """A user of the cluster. Outside system:masters, nothing is allowed that no role binding allows."""

    name: str
    groups: tuple[str, ...] = ()


ADMIN = User("admin", ("system:masters",))

USERS = (
    ADMIN,
    User("deployer", ("ml-deployers",)),
    User("oncall", ("ml-oncall",)),
    User("nobody"),
)

LIFETIME = dt.timedelta(days=1)


def write_pki(directory: Path, server: str) -> None:
    """Writes ca.crt, serving.{crt,key}, sa.{key,pub}, tokens.csv and kubeconfig-USER, readable by us only."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test control plane")])
    ca = _certificate(ca_name, ca_key, ca_name, ca_key, ca=True)
    key = ec.generate_private_key(ec.SECP256R1())
    serving = _certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")]), key, ca_name, ca_key)
    service_accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = service_accounts.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    tokens = {user: secrets.token_hex(16) for user in USERS}
    groups = {user: f',"{",".join(user.groups)}"' if user.groups else "" for user in USERS}
    rows = [f"{token},{user.name},{user.name}{groups[user]}\n" for user, token in tokens.items()]
    files = {
        "ca.crt": ca.public_bytes(serialization.Encoding.PEM),
        "serving.crt": serving.public_bytes(serialization.Encoding.PEM),
        "serving.key": _pem(key),
        "sa.key": _pem(service_accounts),
        "sa.pub": public,
        "tokens.csv": "".join(rows).encode(),
    }
    for user, token in tokens.items():
        files[kubeconfig_name(user.name)] = json.dumps(_kubeconfig(directory / "ca.crt", server, user, token)).encode()
    for name, content in files.items():
        path = directory / name
        path.touch(mode=0o600)
        path.write_bytes(content)


def kubeconfig_name(user: str) -> str:
    """The file name of a user's kubeconfig."""
    return f"kubeconfig-{user}"


def _kubeconfig(ca: Path, server: str, user: User, token: str) -> dict[str, object]:
    """A kubeconfig as kubectl reads it (JSON is YAML). Its context bears the user's name."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": user.name,
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(ca)}}],
        "users": [{"name": user.name, "user": {"token": token}}],
        "contexts": [{"name": user.name, "context": {"cluster": "test", "user": user.name, "namespace": "default"}}],
    }


def _pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool = False,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))  # clocks that were just set right
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        # Python 3.13 verifies strictly (RFC 5280): both key identifiers and, of a CA, its key usage must be there.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if ca:
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    else:
        names: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.DNSName("kubernetes.default.svc"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
