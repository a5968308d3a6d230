#!/usr/bin/env python3
"""`daylight view` in a container, for a browser on the machine around it.

`view` listens on loopback only, and a container's loopback is its own. This passes what comes to the
container's port 8422 (published as port 8421 of the machine's loopback) on to it, and ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

PUBLISHED, VIEW = 8422, 8421


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side says that it is done, and say so to the other."""
    with contextlib.suppress(OSError):
        while block := await reader.read(1 << 16):
            writer.write(block)
            await writer.drain()
        writer.write_eof()


async def forward(host: str, port: int, target: int) -> asyncio.Server:
    """Listen, and pass every connection on to a port of this container's loopback."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", target)
        except OSError:  # nobody serves yet, or any more
            writer.close()
            return
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))
        inner_writer.close()
        writer.close()

    return await asyncio.start_server(serve, host, port)


async def main(arguments: list[str]) -> int:
    """Run `daylight view` with these arguments, and the way to it, until it ends."""
    async with await forward("0.0.0.0", PUBLISHED, VIEW):  # noqa: S104 - of the container: it is published on loopback
        view = await asyncio.create_subprocess_exec("daylight", "view", "--port", str(VIEW), *arguments)
        return await view.wait()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(sys.argv[1:])))
    except KeyboardInterrupt:
        sys.exit(130)
