"""Which faults are in force: the cluster's chaos file, changed by one command at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from actors.chaos.vocabulary import check, scope_of
from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.state_file import replace_file
from broker.chaos import NO_CHAOS, Chaos, ChaosFile, Fault


def write_chaos(directory: ClusterDirectory, chaos: Chaos) -> None:
    """Put these faults in force, in place of all before."""
    if not chaos.faults and chaos.seed is None:
        directory.chaos_file.unlink(missing_ok=True)
        return
    replace_file(directory.chaos_file, json.dumps(chaos.to_plain()))


def read_chaos(directory: ClusterDirectory) -> Chaos:
    """What is in force now."""
    return ChaosFile(directory.chaos_file).read(time.time())


@contextlib.contextmanager
def _alone(directory: ClusterDirectory) -> Iterator[None]:
    """Two commands at once must not undo one another."""
    fd = os.open(directory.run / ".chaos.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _change(directory: ClusterDirectory, change: Callable[[Chaos], Chaos]) -> Chaos:
    with _alone(directory):
        chaos = change(read_chaos(directory))
        write_chaos(directory, chaos)
    return chaos


def put_in_force(directory: ClusterDirectory, fault: Fault, seed: int | None = None) -> Chaos:
    """Add a fault, in place of one of the same scope; one with the rate 0 only takes that away.

    Raises `ValueError` for a fault that makes no sense.
    """
    check(fault)

    def change(chaos: Chaos) -> Chaos:
        others = [other for other in chaos.faults if scope_of(other) != scope_of(fault)]
        new = [] if fault.details.get("rate") == 0 else [fault]
        return Chaos([*others, *new], chaos.seed if seed is None else seed)

    return _change(directory, change)


def heal(directory: ClusterDirectory, kinds: Sequence[str] = ()) -> list[Fault]:
    """End all faults, or those of some kinds; gives those that ended."""
    ended: list[Fault] = []

    def change(chaos: Chaos) -> Chaos:
        ended.extend(fault for fault in chaos.faults if not kinds or fault.kind in kinds)
        left = [fault for fault in chaos.faults if fault not in ended]
        return replace(chaos, faults=left) if left or chaos.seed is not None else NO_CHAOS

    _change(directory, change)
    return ended
