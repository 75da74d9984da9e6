"""The same seed is the same run on every Python.

The golden hash is of a small program on the actors' context that is frozen here, so it changes only when the simulated
world itself (its clock, network, randomness, or the messages' envelope) does; every interpreter must come to it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from broker.context import Context, RequestError
from broker.faults import RandomFaults
from broker.simulation import Simulation

ROOT = Path(__file__).parents[2]
GOLDEN = "dadbfab1fef7f38191b20cfe7cb40e6d 487"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


async def server(ctx: Context) -> None:
    ctx.serve("add", lambda request: request.reply(request.body + 1))
    for round_number in range(40):
        await ctx.sleep(0.05 + ctx.random.random() / 10)
        ctx.publish("news", [round_number, ctx.new_uid(), ctx.wall_s()])
    raise RuntimeError("the end of this incarnation")


async def asker(ctx: Context) -> None:
    news = asyncio.Event()
    ctx.subscribe("news", lambda _: news.set())

    async def ask(number: int) -> None:
        try:
            async with asyncio.timeout(0.4):
                await ctx.request("server", "add", {"number": number}["number"], timeout_s=3.0)
        except (TimeoutError, RequestError):
            ctx.publish("complaints", number)

    for number in range(60):
        await asyncio.gather(ask(number), ask(-number), ctx.sleep(0.01))
        news.clear()
        try:
            await asyncio.wait_for(news.wait(), 0.2)
        except TimeoutError:
            ctx.publish("silence", {"b": 1, "a": [number]})


def frozen_program() -> str:
    with Simulation(seed=42, faults=RandomFaults(drop=0.1, duplicate=0.1, delay=0.1)) as sim:
        sim.spawn_actor("server", server)
        sim.spawn_actor("asker", asker)
        sim.run_for(5)
        sim.pause("asker", 0.5)
        sim.crash("server")
        sim.run_for(15)
        return f"{sim.trace_hash} {sim.messages}"


def test_the_frozen_program_gives_the_golden_hash() -> None:
    assert frozen_program() == GOLDEN


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_another_process_with_another_hash_seed(hash_seed: str) -> None:
    assert _hash_of(sys.executable, hash_seed) == GOLDEN


def _hash_of(python: str, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    command = [python, str(Path(__file__)), "print"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("version", PYTHONS)
def test_every_python_gives_the_golden_hash(version: str) -> None:
    """Looks for other interpreters that have what the test needs: on the path, or named by PODCHAIN_PYTHONS."""
    candidates = [*os.environ.get("PODCHAIN_PYTHONS", "").split(os.pathsep), shutil.which(f"python{version}")]
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        candidates = [sys.executable]
    for python in filter(None, candidates):
        question = "import sys, msgpack, pytest; print('%d.%d' % sys.version_info[:2])"
        found = subprocess.run([python, "-c", question], capture_output=True, text=True, timeout=60, check=False)
        if found.stdout.strip() == version:
            assert _hash_of(python, "0") == GOLDEN
            return
    pytest.skip(f"no Python {version} with msgpack and pytest here; PODCHAIN_PYTHONS names interpreters")


if __name__ == "__main__":
    print(frozen_program())
