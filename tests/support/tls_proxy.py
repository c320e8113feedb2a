"""A reverse proxy on loopback that ends TLS, as Caddy and nginx do; it passes bytes on as they are."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PIECE_BYTES = 1 << 16


@dataclass(frozen=True)
class Proxy:
    """One that is up."""

    port: int
    certificate: Path
    """Which clients have to trust."""


@contextmanager
def tls_proxy(name: str, upstream: str, folder: Path) -> Iterator[Proxy]:
    """Stand on a free port as `name`, before `host:port`, until the end of the block."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    make = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1")
    subject = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run([*make, *subject, *files], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    tunnel, is_ready = _Tunnel(context, upstream), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(tunnel.run(is_ready)))
    thread.start()
    is_ready.wait()
    try:
        yield Proxy(tunnel.port, certificate)
    finally:
        tunnel.stop()
        thread.join()


class _Tunnel:
    """Passes each connection on to the server behind."""

    port = 0

    def __init__(self, context: ssl.SSLContext, upstream: str) -> None:
        self._context = context
        self._upstream = upstream.split(":")
        self._writers: set[asyncio.StreamWriter] = set()

    async def run(self, is_ready: threading.Event) -> None:
        self._loop, self._is_over = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context) as server:
            self.port = server.sockets[0].getsockname()[1]
            is_ready.set()
            await self._is_over.wait()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._is_over.set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(self._upstream[0], int(self._upstream[1]))
        self._writers |= {writer, behind_writer}
        await asyncio.gather(self._pass_on(reader, behind_writer), self._pass_on(behind_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                writer.write(data)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        self._writers.discard(writer)
