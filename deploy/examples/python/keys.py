"""Keys at rest: detente's key files, opened with the unlock secret.

Not for making keys (see `detente pki`). The format is described in README.md.
"""

import hashlib
import hmac
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import envelope

BEGIN = "-----BEGIN DETENTE KEY-----\n"
END = "-----END DETENTE KEY-----\n"
FIELDS = ("version", "kind", "name", "derivation", "salt", "nonce", "check", "data", "digest")


def read_unlock(path: Path) -> bytes:
    """The secret in a file: 32 random bytes as 64 hexadecimal digits, or a passphrase."""
    if path.stat().st_mode & 0o077:
        raise ValueError(f"{path} can be read by others than its owner: chmod 600")
    text = path.read_bytes().rstrip(b"\r\n")
    is_hexadecimal = len(text) == 64 and all(byte in b"0123456789abcdef" for byte in text)
    return bytes.fromhex(text.decode()) if is_hexadecimal else text


def read(path: Path, kind: str, secret: bytes) -> bytes:
    """The private key in a key file: PKCS#8 (kind tls), or a seed of 32 bytes (ed25519, hpke)."""
    text = path.read_text(encoding="utf-8")
    if not (text.startswith(BEGIN) and text.endswith(END)):
        raise ValueError(f"{path} has no DETENTE KEY frame")
    body = text[len(BEGIN) : -len(END)]
    lines = [line.partition(": ") for line in body.splitlines()]
    if tuple(name for name, _, _ in lines) != FIELDS:
        raise ValueError(f"{path} has other lines than a key file")
    field = {name: value for name, _, value in lines}
    if field["version"] != "1" or field["kind"] != kind:
        raise ValueError(f"{path} holds {field['kind']} of version {field['version']}, not {kind}")
    covered = body[: body.index("digest: ")].encode()
    if hashlib.sha256(covered).hexdigest() != field["digest"]:
        raise ValueError(f"{path} is damaged: its digest is another")
    salt, derivation = bytes.fromhex(field["salt"]), field["derivation"]
    if derivation == "pbkdf2-hmac-sha256/600000":
        secret = hashlib.pbkdf2_hmac("sha256", secret, salt, 600_000)
    elif derivation != "hkdf-sha256":
        raise ValueError(f"{path}: derivation {derivation} is not known")
    derived = HKDF(hashes.SHA256(), 48, salt, b"detente/keyfile/v1").derive(secret)
    if not hmac.compare_digest(derived[32:], bytes.fromhex(field["check"])):
        raise ValueError(f"{path} was made with another unlock secret")
    head = body[: body.index("data: ")].encode()
    sealed = bytes.fromhex(field["data"])
    return ChaCha20Poly1305(derived[:32]).decrypt(bytes.fromhex(field["nonce"]), sealed, head)


def tls_key_pem(path: Path, secret: bytes) -> bytes:
    """The TLS key as PEM, in memory."""
    key = serialization.load_der_private_key(read(path, "tls", secret), password=None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def signing_key(path: Path, secret: bytes) -> Ed25519PrivateKey:
    """The key of an officer or of a desk's machine."""
    return Ed25519PrivateKey.from_private_bytes(read(path, "ed25519", secret))


def decryption_key(path: Path, secret: bytes) -> tuple[MLKEM768X25519PrivateKey, bytes]:
    """The key that opens bodies, both halves expanded from one seed (X-Wing), and its id."""
    expanded = hashlib.shake_256(read(path, "hpke", secret)).digest(96)
    mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
    public = b"".join(half.public_key().public_bytes_raw() for half in (mlkem, x25519))
    return MLKEM768X25519PrivateKey(mlkem, x25519), envelope.encryption_key_id(public)
