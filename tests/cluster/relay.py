"""One end of a way through the wall of a network namespace: `… relay inside|outside FOLDER PORT...`.

Sockets in the file system are not behind that wall. What is sent to a port of the namespace's loopback comes out at the
same port of the machine's, so that every service has one address everywhere.
"""

import asyncio
import fcntl
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

SET_FLAGS: Final = 0x8914  # SIOCSIFFLAGS, of linux/sockios.h
UP_AND_RUNNING: Final = 0x41  # IFF_UP and IFF_RUNNING, of linux/if.h

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def serve_inside(folder: Path, ports: list[int]) -> None:
    """Lead each port of this namespace into the folder."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH14x", b"lo", UP_AND_RUNNING))
    for port in ports:
        further = partial(asyncio.open_unix_connection, folder / f"{port}")
        await asyncio.start_server(partial(_relay, further), "127.0.0.1", port)


async def serve_outside(folder: Path, ports: list[int]) -> None:
    """Lead from the folder to each port of the machine."""
    for port in ports:
        further = partial(asyncio.open_connection, "127.0.0.1", port)
        await asyncio.start_unix_server(partial(_relay, further), folder / f"{port}")


async def _relay(
    further: Callable[[], Awaitable[Streams]], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        far_reader, far_writer = await further()
    except OSError:  # nobody serves there just now
        writer.close()
        return
    await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(1 << 16):
            writer.write(part)
            await writer.drain()
    writer.close()


async def _serve(side: str, folder: str, *ports: str) -> None:
    serve = serve_inside if side == "inside" else serve_outside
    await serve(Path(folder), [int(port) for port in ports])
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
