"""The user's own terminal and standard input, for commands that run inside containers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

READ_BYTES: Final = 32 * 1024


@contextlib.contextmanager
def raw_terminal() -> Iterator[None]:
    """While inside, keys go to the container as they are, Ctrl-C too."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def is_terminal() -> bool:
    """Whether standard input is a terminal."""
    return sys.stdin.isatty()


async def feed_input(write: Callable[[bytes], Awaitable[None]], end: Callable[[], Awaitable[None]]) -> None:
    """Pass standard input on until it ends."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()
    while True:
        try:
            data = await _readable(loop, descriptor)
        except PermissionError:  # a plain file can't be waited for, and need not be
            data = os.read(descriptor, READ_BYTES)
        if not data:
            await end()
            return
        await write(data)


async def _readable(loop: asyncio.AbstractEventLoop, descriptor: int) -> bytes:
    ready = loop.create_future()
    loop.add_reader(descriptor, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, READ_BYTES)


async def follow_size(resize: Callable[[int, int], Awaitable[None]]) -> None:
    """Tell the terminal's size, now and whenever it changes, until cancelled."""
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    loop.add_signal_handler(signal.SIGWINCH, changed.set)
    try:
        while True:
            size = os.get_terminal_size(sys.stdin.fileno())
            await resize(size.columns, size.lines)
            await changed.wait()
            changed.clear()
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
