"""Mutual TLS to the relay, for a gRPC library that insists on host names.

The relay is known by the one URI in its certificate, under the authority that the genesis pins; it
has no host name. gRPC's C core, which grpcio is made of, can only check a name. So grpcio speaks in
the clear to a Unix socket that its owner alone can reach, and here Python's own ssl speaks TLS 1.3
to the relay and looks at the URI. In languages whose gRPC takes a verifier of one's own (Go, Java,
Rust) none of this is needed.
"""

import asyncio
import os
import ssl
import tempfile
import threading
from pathlib import Path

CHUNK_BYTES = 64 * 1024


def tls_context(authorities: str, certificate: bytes, key: bytes, crl: Path | None):
    """TLS 1.3 with the desk's certificate, trusting the relay's authorities alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the URI is checked instead, see `carry`
    context.load_verify_locations(cadata=authorities)
    if crl is not None:
        context.load_verify_locations(cafile=crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    context.set_alpn_protocols(["h2"])
    # The ssl module takes a file only: one in memory, so that the key is never on a disk.
    with os.fdopen(os.memfd_create("desk"), "wb") as chain:
        chain.write(certificate + key)
        chain.flush()
        context.load_cert_chain(f"/proc/self/fd/{chain.fileno()}")
    return context


class Bridge:
    """A Unix socket whose every connection is carried to the relay over TLS."""

    def __init__(self, address: str, context: ssl.SSLContext, uri: str):
        self.host, _, self.port = address.rpartition(":")
        self.context, self.uri = context, uri
        # Removed when the process ends; nobody else may look into it.
        self.directory = tempfile.TemporaryDirectory(prefix="detente-python-")
        self.socket = Path(self.directory.name) / "relay.sock"
        self.trouble = ""
        self.carried: set[asyncio.Task] = set()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)
        self.thread.start()
        self.ready.wait()

    async def serve(self) -> None:
        self.loop, self.closed = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_unix_server(self.carry, self.socket):
            self.ready.set()
            await self.closed.wait()
            if self.carried:
                # grpcio has closed its end, and so each of them ends by itself.
                await asyncio.wait(self.carried, timeout=2)

    def close(self) -> None:
        """Ends when every connection has. Close grpcio's channel first."""
        self.loop.call_soon_threadsafe(self.closed.set)
        self.thread.join()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self.carried.add(task)
        task.add_done_callback(self.carried.discard)
        try:
            host = self.host.strip("[]")
            # No name is sent and none is checked.
            relay_reader, relay_writer = await asyncio.open_connection(
                host, self.port, ssl=self.context, server_hostname=""
            )
        except OSError as error:
            self.trouble = str(error)
            writer.close()
            return
        names = relay_writer.get_extra_info("peercert").get("subjectAltName", ())
        if names != (("URI", self.uri),):
            self.trouble = f"the peer is {names}, not {self.uri}"
            relay_writer.close()
            writer.close()
            return
        await asyncio.gather(pump(reader, relay_writer), pump(relay_reader, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carries bytes one way until either end is gone."""
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass  # the other end is gone: grpcio says so to whoever calls
    finally:
        writer.close()
