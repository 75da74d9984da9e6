"""What the disk, SQLite, ZeroMQ and Python can do on this machine without anything of ours."""

from __future__ import annotations

import multiprocessing
import os
import platform
import sqlite3
import statistics
import time
from typing import Final

import zmq

COMMITS: Final = 100
ROUND_TRIPS: Final = 20_000
CALLS: Final = 1_000_000


def print_limits(directory: str) -> None:
    """Measure in a directory of the disk in question, and print."""
    print(f"{'fdatasync after 1 KiB at a file`s end':<52}{_fdatasync_s(directory) * 1e3:>8.2f} ms")
    for rows in (1, 100, 1000):
        rate = _sqlite_rows_a_second(directory, rows)
        print(f"{f'SQLite, commits of {rows} rows of 256 B, full sync':<52}{rate:>8.0f} rows/s")
    print(f"{f'Python {platform.python_version()}, calls of a function':<52}{_calls_a_second() / 1e6:>8.1f} million/s")
    for in_flight in (1, 100):
        rate = _round_trips_a_second(directory, in_flight)
        print(f"{f'ZeroMQ round trips of 256 B, {in_flight} in flight':<52}{rate:>8.0f}/s", flush=True)


def _fdatasync_s(directory: str) -> float:
    file = os.open(f"{directory}/sync", os.O_RDWR | os.O_CREAT, 0o600)
    times = []
    for _ in range(COMMITS):
        os.write(file, b"x" * 1024)
        began = time.perf_counter()
        os.fdatasync(file)
        times.append(time.perf_counter() - began)
    os.close(file)
    return statistics.median(times)


def _sqlite_rows_a_second(directory: str, rows: int) -> float:
    database = sqlite3.connect(f"{directory}/rows-{rows}", isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (i INTEGER PRIMARY KEY, v)"
    )
    began = time.perf_counter()
    for _ in range(COMMITS):
        database.execute("BEGIN")
        database.executemany("INSERT INTO t (v) VALUES (?)", [(b"x" * 256,)] * rows)
        database.execute("COMMIT")
    rate = COMMITS * rows / (time.perf_counter() - began)
    database.close()
    return rate


def _calls_a_second() -> float:
    """Of the interpreter: as much as twice as many with one that was built with profiles as with one that wasn't."""

    def call(value: int) -> int:
        return value

    began = time.perf_counter()
    for number in range(CALLS):
        call(number)
    return CALLS / (time.perf_counter() - began)


def _echo(endpoint: str) -> None:
    socket = zmq.Context().socket(zmq.ROUTER)
    socket.bind(endpoint)
    while True:
        socket.send_multipart(socket.recv_multipart())


def _round_trips_a_second(directory: str, in_flight: int) -> float:
    """Single-frame messages from DEALER to ROUTER and back, the least a request and its answer can be."""
    endpoint = f"ipc://{directory}/raw-{in_flight}"
    process = multiprocessing.get_context("spawn").Process(target=_echo, args=(endpoint,), daemon=True)
    process.start()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(endpoint)
    message = b"x" * 256
    count = ROUND_TRIPS if in_flight > 1 else ROUND_TRIPS // 5
    try:
        socket.send(message)
        socket.recv()
        began = time.perf_counter()
        for _ in range(in_flight):
            socket.send(message)
        for _ in range(count):
            socket.recv()
            socket.send(message)
        return count / (time.perf_counter() - began)
    finally:
        socket.close(0)
        process.kill()
        process.join()
