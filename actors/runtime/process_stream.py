"""Streams of the `process` driver: commands beside a container with pipes or a terminal, a container's own, ports."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from actors.runtime.process_child import die_with_parent, exit_code_of, kill_session, start_process
from actors.runtime.process_probe import LOOPBACK
from actors.runtime.stream import STDERR, STDOUT, Ended, Stream

READ_BYTES: Final = 32 * 1024
#: What a terminal's program sees as its size until the client tells it.
TERMINAL_SIZE: Final = (80, 24)
CONNECT_TIMEOUT_S: Final = 10.0
#: After a command's end, so long without any more output means that there is none.
DRAIN_S: Final = 0.2
#: How often an attached stream looks whether it ended, should it not be told.
ATTACH_LOOK_S: Final = 60.0
#: The exit codes of a command that isn't there, and of one that can't be run, as shells have them.
NOT_FOUND_CODE: Final = 127
NOT_RUNNABLE_CODE: Final = 126


@dataclass(slots=True)
class Taps:
    """Those who are attached to a container, and its input."""

    streams: list[Stream] = field(default_factory=list)
    stdin: int = -1
    """Where its input is written to; -1 when it has none."""
    terminal: bool = False

    def show(self, channel: int, data: bytes) -> None:
        """Show output to all that are attached. Who reads too slowly is let go, so that the container isn't held up."""
        for stream in list(self.streams):
            wanted = stream.request.stdout if channel == STDOUT else stream.request.stderr
            if wanted and not stream.offer(channel, data):
                stream.end(Ended(1, "the output was read too slowly"))

    def ended(self, exit_code: int) -> None:
        """The container has ended."""
        for stream in self.streams:
            stream.end(Ended(exit_code))
        self.streams.clear()
        self.close_input()

    def close_input(self) -> None:
        """End the container's input. A terminal stays open as long as its container."""
        if self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1


async def attach(stream: Stream, taps: Taps, *, stdin_once: bool) -> Ended:
    """Connect to a container's own input and output until the client goes or the container ends."""
    taps.streams.append(stream)
    feeding = asyncio.ensure_future(_feed_container(stream, taps)) if stream.request.stdin else None
    try:
        while stream.ended is None:
            await stream.changed(ATTACH_LOOK_S)
    finally:
        if stream in taps.streams:
            taps.streams.remove(stream)
        if feeding is not None:
            feeding.cancel()
            if stdin_once:  # the first client that had the input takes it with it
                taps.close_input()
    return stream.ended


async def _feed_container(stream: Stream, taps: Taps) -> None:
    while True:
        given = await stream.receive()
        if taps.stdin < 0:
            continue
        if given.size is not None and taps.terminal:
            set_terminal_size(taps.stdin, given.size)
        if given.data:
            await write_all(taps.stdin, given.data)


async def run_beside(
    stream: Stream, argv: Sequence[str], directory: str, env: Mapping[str, str], started: Callable[[int], None]
) -> Ended:
    """Run a command with pipes or a terminal, as the stream asks; `started` is told its session."""
    try:
        beside = _on_terminal(argv, directory, env) if stream.request.tty else _with_pipes(stream, argv, directory, env)
    except OSError as error:
        return could_not_run(argv[0], error)
    started(beside.process.pid)
    pumps = [asyncio.ensure_future(_pump(stream, *output)) for output in beside.outputs.items()]
    feeding = [asyncio.ensure_future(_feed(stream, beside))] if beside.stdin >= 0 else []
    try:
        code = await exit_of(beside.process)
        await _drained(stream, pumps)
    except asyncio.CancelledError:
        kill_session(beside.process.pid)
        beside.process.wait()
        raise
    finally:
        for task in (*pumps, *feeding):
            task.cancel()
        await asyncio.wait((*pumps, *feeding))
        for descriptor in (*beside.outputs, *((beside.stdin,) if beside.stdin not in (-1, *beside.outputs) else ())):
            os.close(descriptor)
    return Ended(exit_code_of(code))


@dataclass(slots=True)
class _Beside:
    """A command that runs beside a container."""

    process: subprocess.Popen[bytes]
    outputs: dict[int, int]
    """Descriptors to read from, and the channel of each."""
    stdin: int = -1
    terminal: bool = False


def _with_pipes(stream: Stream, argv: Sequence[str], directory: str, env: Mapping[str, str]) -> _Beside:
    process, out, err = start_process(argv, directory, env, stdin=stream.request.stdin)
    beside = _Beside(process, {out: STDOUT, err: STDERR})
    if process.stdin is not None:
        beside.stdin = os.dup(process.stdin.fileno())
        os.set_blocking(beside.stdin, False)
        process.stdin.close()
    return beside


def _on_terminal(argv: Sequence[str], directory: str, env: Mapping[str, str]) -> _Beside:
    process, terminal = start_on_terminal(argv, directory, {"TERM": "xterm", **env})
    return _Beside(process, {terminal: STDOUT}, terminal, terminal=True)


async def _drained(stream: Stream, pumps: Sequence[asyncio.Future[None]]) -> None:
    """Wait until all that an ended command wrote is passed on. What it left running may hold its pipes open for ever:
    when the client has read everything and nothing more comes, that is all.
    """
    while pumps:
        _, pending = await asyncio.wait(pumps, timeout=DRAIN_S)
        if not pending or not stream.unread_bytes:
            return
        pumps = list(pending)


async def _pump(stream: Stream, descriptor: int, channel: int) -> None:
    """Show what comes from a descriptor until its end. What the client doesn't want is read all the same."""
    loop = asyncio.get_running_loop()
    wanted = stream.request.stdout if channel == STDOUT else stream.request.stderr
    while True:
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            await _ready(loop.add_reader, loop.remove_reader, descriptor)
            continue
        except OSError:  # nobody has the terminal's other end open any more
            return
        if not data:
            return
        if wanted:
            await stream.send(channel, data)


async def _feed(stream: Stream, beside: _Beside) -> None:
    while True:
        given = await stream.receive()
        if given.size is not None and beside.terminal:
            set_terminal_size(beside.stdin, given.size)
        if given.data:
            await write_all(beside.stdin, given.data)
        if given.end and not beside.terminal:
            stdin, beside.stdin = beside.stdin, -1
            os.close(stdin)
            return


def start_on_terminal(
    argv: Sequence[str], directory: str, env: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a process with a terminal of its own; gives it and our end of the terminal. Raises `OSError`."""
    ours, theirs = pty.openpty()
    set_terminal_size(ours, TERMINAL_SIZE)

    def take_terminal() -> None:
        die_with_parent()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    try:
        process = subprocess.Popen(  # noqa: S603 - running what pods and their users say is what this is for
            list(argv),
            cwd=directory,
            env=dict(env),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    os.set_blocking(ours, False)
    return process, ours


def set_terminal_size(terminal: int, size: tuple[int, int]) -> None:
    """Tell a terminal its size in columns and rows."""
    columns, rows = (max(1, min(number, 0xFFFF)) for number in size)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


async def exit_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process's end; gives its return code."""
    if not hasattr(os, "pidfd_open"):
        while process.poll() is None:
            await asyncio.sleep(0.02)
        return process.returncode
    descriptor = os.pidfd_open(process.pid)
    try:
        await _ready(asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader, descriptor)
    finally:
        os.close(descriptor)
    return process.wait()


async def write_all(descriptor: int, data: bytes) -> None:
    """Write to a descriptor that doesn't block; what nobody reads any more is lost, as in a pipe."""
    loop = asyncio.get_running_loop()
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            await _ready(loop.add_writer, loop.remove_writer, descriptor)
        except OSError:
            return


async def _ready(
    add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], bool], descriptor: int
) -> None:
    """Wait until a descriptor can be read from or written to."""
    ready = asyncio.get_running_loop().create_future()
    add(descriptor, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        remove(descriptor)


async def forward(stream: Stream, port: int) -> Ended:
    """Connect to a port; all pods of this runtime have the machine's own."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
    except TimeoutError:
        return Ended(1, f"dial tcp {LOOPBACK}:{port}: i/o timeout")
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        return Ended(1, f"dial tcp4 {LOOPBACK}:{port}: connect: {reason}")
    pump = asyncio.ensure_future(_show_connection(reader, stream))
    feeding = asyncio.ensure_future(_feed_connection(stream, writer))
    try:
        await asyncio.wait([pump, feeding], return_when=asyncio.FIRST_COMPLETED)
        await pump
    except ConnectionError as error:
        return Ended(1, (error.strerror or str(error)).lower())
    finally:
        pump.cancel()
        feeding.cancel()
        writer.close()
    return Ended()


async def _show_connection(reader: asyncio.StreamReader, stream: Stream) -> None:
    while data := await reader.read(READ_BYTES):
        await stream.send(STDOUT, data)


async def _feed_connection(stream: Stream, writer: asyncio.StreamWriter) -> None:
    while True:
        given = await stream.receive()
        if given.data:
            writer.write(given.data)
            await writer.drain()
        if given.end:
            if writer.can_write_eof():
                writer.write_eof()
            return


def could_not_run(program: str, error: OSError) -> Ended:
    """A command that could not be started, in containerd's words."""
    missing = isinstance(error, FileNotFoundError)
    why = "executable file not found in $PATH" if missing else (error.strerror or str(error)).lower()
    message = f'exec failed: unable to start container process: exec: "{program}": {why}'
    return Ended(NOT_FOUND_CODE if missing else NOT_RUNNABLE_CODE, message)
