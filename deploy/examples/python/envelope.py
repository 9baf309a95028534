"""Statements: sealed for one desk, signed by an officer or a desk's machine; and back again.

Not for what a statement may say. The construction is written in proto/detente/envelope/v1 and in
README.md; `wire` is the generated module of that proto.
"""

import hashlib
import secrets
import struct

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PublicKey,
    Suite,
)

HEADER_TYPE = b"application/vnd.detente.header.v1+protobuf"
GENESIS_TYPE = b"application/vnd.detente.genesis.v1+protobuf"
ENTRY_TYPE = b"application/vnd.detente.entry.v1+protobuf"
SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
ED25519 = SUITE_1 = b"\x01"
MLKEM768_BYTES = 1184
ENC_BYTES = 1120
PADDED_BYTES_MIN = 1024


class NotGenuine(Exception):
    """What was received is not what was signed, or not by whom it says."""


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def key_id(public: bytes) -> bytes:
    """The id of an Ed25519 key."""
    return sha256(b"detente/key/v1\0", ED25519, public)


def encryption_key_id(public: bytes) -> bytes:
    """The id of a key to which bodies are sealed."""
    return sha256(b"detente/encryption-key/v1\0", SUITE_1, public)


def pre_authentication_encoding(payload_type: bytes, payload: bytes) -> bytes:
    """What is signed: DSSE's PAE."""
    sizes = b" ".join([b"DSSEv1", b"%d" % len(payload_type), payload_type, b"%d" % len(payload)])
    return sizes + b" " + payload


def public_bytes(key) -> bytes:
    return key.public_key().public_bytes_raw()


def sign(wire, header: bytes, key: Ed25519PrivateKey):
    signature = key.sign(pre_authentication_encoding(HEADER_TYPE, header))
    return wire.Signature(
        key_id=key_id(public_bytes(key)),
        algorithm=wire.SIGNATURE_ALGORITHM_ED25519,
        signature=signature,
    )


def verify(signatures, payload_type: bytes, payload: bytes, public: bytes) -> None:
    """Proves that one of the signatures is that of the key `public` over the payload."""
    wanted = key_id(public)
    for made in signatures:
        if made.key_id == wanted:
            try:
                signed = pre_authentication_encoding(payload_type, payload)
                Ed25519PublicKey.from_public_bytes(public).verify(made.signature, signed)
                return
            except InvalidSignature as error:
                raise NotGenuine("the signature does not hold") from error
    raise NotGenuine("there is no signature by the key that the directory names")


def seal(wire, context, body: bytes, to: bytes, key: Ed25519PrivateKey):
    """Seals `body` to the encryption key `to` and signs the statement."""
    context.signer_key_id = key_id(public_bytes(key))
    context_bytes = context.SerializeToString()
    ctx = sha256(b"detente/context/v1\0", context_bytes)
    salt, content_key = secrets.token_bytes(32), secrets.token_bytes(32)
    commitment = sha256(b"detente/commit/v1\0", salt, ctx, body)
    aad = b"detente/content/v1\0" + ctx + commitment
    # A content key is used once, so its nonce may be 0.
    ciphertext = ChaCha20Poly1305(content_key).encrypt(bytes(12), pad(salt, body), aad)
    to_id = encryption_key_id(to)
    info = b"detente/wrap/v1\0" + ctx + commitment + to_id
    public = MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(to[:MLKEM768_BYTES]),
        X25519PublicKey.from_public_bytes(to[MLKEM768_BYTES:]),
    )
    sealed = SUITE.encrypt(content_key, public, info)
    wrap = wire.Wrap(key_id=to_id, enc=sealed[:ENC_BYTES], wrapped_key=sealed[ENC_BYTES:])
    wrap = wrap.SerializeToString()
    header = wire.Header(
        context=context_bytes,
        commitment=commitment,
        ciphertext_sha256=sha256(ciphertext),
        ciphertext_len=len(ciphertext),
        wrap_sha256=sha256(wrap),
    ).SerializeToString()
    signatures = [sign(wire, header, key)]
    return wire.Envelope(header=header, signatures=signatures, wrap=wrap, ciphertext=ciphertext)


def machine(wire, context, key: Ed25519PrivateKey):
    """Signs what a desk's machine says, which has no body."""
    context.signer_key_id = key_id(public_bytes(key))
    header = wire.Header(context=context.SerializeToString()).SerializeToString()
    return wire.Envelope(header=header, signatures=[sign(wire, header, key)])


def open_body(wire, header, wrap: bytes, ciphertext: bytes, own_keys: dict) -> bytes:
    """The body, proven to be the one that was signed and made for this very context. `own_keys` are
    the desk's keys by their ids: an old one may still be needed."""
    if sha256(wrap) != header.wrap_sha256 or sha256(ciphertext) != header.ciphertext_sha256:
        raise NotGenuine("wrap or ciphertext is not the one that was signed")
    ctx = sha256(b"detente/context/v1\0", header.context)
    wrapped = wire.Wrap.FromString(wrap)
    key = own_keys.get(wrapped.key_id)
    if key is None:
        raise NotGenuine("it is sealed to another key")
    info = b"detente/wrap/v1\0" + ctx + header.commitment + wrapped.key_id
    aad = b"detente/content/v1\0" + ctx + header.commitment
    try:
        content_key = SUITE.decrypt(wrapped.enc + wrapped.wrapped_key, key, info)
        padded = ChaCha20Poly1305(content_key).decrypt(bytes(12), ciphertext, aad)
    except InvalidTag as error:
        raise NotGenuine("it does not decrypt: it was made for another statement") from error
    salt, body = unpad(padded)
    if sha256(b"detente/commit/v1\0", salt, ctx, body) != header.commitment:
        raise NotGenuine("the body is not the one that was committed to")
    return body


def pad(salt: bytes, body: bytes) -> bytes:
    """Length (4 bytes, big-endian), salt, body, zeros up to a power of two of 1 KiB or more."""
    text = struct.pack(">I", len(body)) + salt + body
    size = max(PADDED_BYTES_MIN, 1 << (len(text) - 1).bit_length())
    return text.ljust(size, b"\0")


def unpad(padded: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack_from(">I", padded)
    salt, body = padded[4:36], padded[36 : 36 + length]
    if len(body) != length or pad(salt, body) != padded:
        raise NotGenuine("the body is not padded as it should be")
    return salt, body
