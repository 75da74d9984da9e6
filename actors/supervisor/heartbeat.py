"""An actor's sign of life: a byte in a pipe to its supervisor, written by the very loop that does the actor's work.

The pipe says two things. A supervisor that reads no byte for a while has an actor that hangs. An actor that can't write
because nobody holds the other end has no supervisor any more, and ends at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

#: How often a loop beats.
HEARTBEAT_S: Final = 0.25
_BEAT: Final = b"."


class Heartbeat:
    """The actor's end of the pipe."""

    def __init__(self, fd: int, on_supervisor_gone: Callable[[], None]) -> None:
        self._fd = fd
        self._on_supervisor_gone = on_supervisor_gone
        os.set_blocking(fd, False)

    def beat(self) -> None:
        """Say that this process is alive and able to work."""
        try:
            os.write(self._fd, _BEAT)
        except BlockingIOError:
            pass  # the supervisor is busy or suspended; it has beats enough to read
        except BrokenPipeError:
            self._on_supervisor_gone()

    def beat_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat now and from now on, as long as the loop turns."""
        self.beat()
        loop.call_later(HEARTBEAT_S, self.beat_on, loop)
