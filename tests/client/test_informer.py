"""Informers stay exact whatever happens to messages, and never go back."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.meta import Key
from actors.apimachinery.operation import OPERATE, WATCH, Object, decode_object, encode_object, operations_from_wire
from actors.apimachinery.stream import ADDED, DELETED, HELLO_TOPIC, MODIFIED, Stream
from actors.client.client import Client
from actors.client.informer import Informer
from broker.context import Context
from broker.faults import RandomFaults
from broker.message import Request
from broker.simulation import Simulation

STREAM = Stream("v1/configmaps")


class FakeServer:
    """One collection and its stream, kept across crashes of the actor (as the store would)."""

    def __init__(self, window: int) -> None:
        self.revision = 1
        self.objects: dict[str, tuple[int, bytes]] = {}
        self.log: deque[tuple[str, int, str, bytes]] = deque(maxlen=window)
        self.first_known = 1
        self.history: list[dict[str, int]] = [{}, {}]
        self.ctx: Context | None = None
        self.last_event = 0
        self.held_back: list[tuple[list[object], bytes]] = []
        """Events that go out together with the next one."""

    async def run(self, ctx: Context) -> None:
        self.ctx = ctx
        self.log.clear()
        self.held_back = []
        self.first_known = self.last_event = self.revision
        ctx.serve(OPERATE, self.list)
        ctx.serve(WATCH, self.watch)
        for _ in range(3):
            ctx.publish(HELLO_TOPIC)
            await ctx.sleep(0.1)
        while True:
            if self.held_back:
                self.publish_held_back()
            else:
                ctx.publish(STREAM.topic, [self.last_event, [], self.revision])
            await ctx.sleep(1.0)

    def write(self, name: str, delete: bool, hold_back: bool = False) -> None:
        if delete and name not in self.objects:
            return
        self.revision += 1
        value = encode_object({"metadata": {"name": name}, "data": {"at": str(self.revision)}})
        if delete:
            kind, value = DELETED, self.objects.pop(name)[1]
        else:
            kind = MODIFIED if name in self.objects else ADDED
            self.objects[name] = (self.revision, value)
        if len(self.log) == self.log.maxlen:
            self.first_known = self.log[0][1]
        self.log.append((kind, self.revision, name, value))
        self.history.append({n: rev for n, (rev, _) in self.objects.items()})
        self.held_back.append(([kind, self.revision, "", name, "", 0.0], value))
        if not hold_back:
            self.publish_held_back()

    def publish_held_back(self) -> None:
        """One publication of all that was held back, as the API server makes one a drain."""
        rows = [row for row, _ in self.held_back]
        values = [value for _, value in self.held_back]
        self.held_back = []
        if self.ctx is not None and not self.ctx.closed:  # type: ignore[attr-defined]
            self.ctx.publish(STREAM.topic, [self.last_event, rows, self.revision], values)
        self.last_event = self.revision

    def list(self, request: Request) -> None:
        (operation,) = operations_from_wire(request.body, request.blobs)
        assert operation.verb == "list"
        items = sorted(self.objects.items())
        request.reply([[200, self.revision, [rev for _, (rev, _) in items], None, None]], [v for _, (_, v) in items])

    def watch(self, request: Request) -> None:
        since = request.body["since"]
        if since < self.first_known:
            request.fail("Expired", "too old")
            return
        missed = [entry for entry in self.log if entry[1] > since]
        rows = [[kind, rev, "", name, "", 0.0] for kind, rev, name, _ in missed]
        request.reply([since, rows, self.revision], [value for *_, value in missed])


def view_of(informer: Informer) -> dict[str, int]:
    return {obj["metadata"]["name"]: int(obj["metadata"]["resourceVersion"]) for obj in informer.items()}


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    faults=st.builds(RandomFaults, drop=st.floats(0, 0.3), duplicate=st.floats(0, 0.3), delay=st.floats(0, 0.3)),
    window=st.integers(1, 30),
    writes=st.lists(
        st.tuples(st.sampled_from("abcde"), st.booleans(), st.booleans(), st.floats(0, 1.5)), min_size=1, max_size=40
    ),
    crash_at=st.integers(0, 60),
)
def test_an_informer_shows_past_states_in_order_and_ends_exact(seed, faults, window, writes, crash_at) -> None:
    server = FakeServer(window)
    with Simulation(seed=seed, faults=faults) as sim:
        sim.spawn_actor("apiserver", server.run)
        sim.run_for(0.01)
        ctx = sim.context("watcher")
        informer = Informer(Client(ctx), STREAM)
        told: dict[str, int] = {}

        def check(kind: str, obj: Object, old: Object | None) -> None:
            """Each change of an object is told once, in order."""
            name, revision = obj["metadata"]["name"], int(obj["metadata"]["resourceVersion"])
            assert revision > told.get(name, 0) or kind == DELETED
            told[name] = revision

        informer.on_event(check)
        ctx.spawn(informer.start(), "start")
        last = 0
        for i, (name, delete, hold_back, pause_s) in enumerate(writes):
            if i == crash_at:
                sim.crash("apiserver")
                sim.run_for(0.3)
            server.write(name, delete, hold_back)
            sim.run_for(pause_s)
            assert informer.revision >= last
            last = informer.revision
            if last:
                assert view_of(informer) == server.history[last]
        sim.set_faults(None)
        assert sim.run_until(lambda: informer.revision == server.revision, 60)
        assert view_of(informer) == server.history[-1]
        assert not sim.crashes


def _informer_at(sim: Simulation, server: FakeServer) -> Informer:
    sim.spawn_actor("apiserver", server.run)
    sim.run_for(0.01)
    informer = Informer(Client(sim.context("watcher")), STREAM)
    sim.run(informer.start())
    return informer


def _object(name: str, revision: int) -> Object:
    return decode_object(encode_object({"metadata": {"name": name}}), revision)


def test_own_writes_show_at_once_and_older_events_do_not_undo_them() -> None:
    server = FakeServer(100)
    with Simulation(seed=1) as sim:
        informer = _informer_at(sim, server)
        server.write("a", delete=False)
        sim.run_for(0.1)
        told: list[tuple[str, str]] = []
        informer.on_event(lambda kind, obj, old: told.append((kind, obj["metadata"]["resourceVersion"])))
        server.write("a", delete=False)  # revision 3: its event is on the way
        server.write("a", delete=False)  # revision 4: the answer to it is here already
        informer.observe(_object("a", 4))
        assert view_of(informer) == {"a": 4}
        sim.run_for(0.1)
        assert view_of(informer) == {"a": 4}
        assert told == [(MODIFIED, "4")]
        informer.observe(_object("a", 3))
        assert view_of(informer) == {"a": 4}


def test_a_late_answer_does_not_bring_back_what_was_deleted_since() -> None:
    server = FakeServer(100)
    with Simulation(seed=1) as sim:
        informer = _informer_at(sim, server)
        server.write("a", delete=False)
        server.write("a", delete=True)
        sim.run_for(0.1)
        informer.observe(_object("a", 2))
        assert view_of(informer) == {}


def test_an_own_deletion_shows_at_once() -> None:
    server = FakeServer(100)
    with Simulation(seed=1) as sim:
        informer = _informer_at(sim, server)
        server.write("a", delete=False)
        sim.run_for(0.1)
        informer.observe_deleted(Key("", "a"), 3)
        assert view_of(informer) == {}
        server.write("a", delete=True)
        server.write("a", delete=False)
        sim.run_for(0.1)
        assert view_of(informer) == {"a": 4}


def test_an_own_write_that_the_stream_does_not_select_goes_when_passed() -> None:
    server = FakeServer(100)
    with Simulation(seed=1) as sim:
        informer = _informer_at(sim, server)
        informer.observe(_object("elsewhere", 2))
        assert view_of(informer) == {"elsewhere": 2}
        server.write("b", delete=False)
        sim.run_for(0.1)
        assert view_of(informer) == {"b": 2}


def test_what_was_asked_for_is_not_told_again_when_it_is_published() -> None:
    server = FakeServer(100)
    with Simulation(seed=1) as sim:
        informer = _informer_at(sim, server)
        told: list[str] = []
        informer.on_event(lambda kind, obj, old: told.append(obj["metadata"]["resourceVersion"]))
        server.write("a", delete=False, hold_back=True)
        assert server.ctx is not None
        server.ctx.publish(HELLO_TOPIC)  # has the informer ask
        sim.run_for(0.1)
        assert told == ["2"]
        server.write("a", delete=False)  # published together with the one held back
        sim.run_for(0.1)
        assert told == ["2", "3"]


def test_an_informer_that_has_fallen_behind_the_window_lists_again() -> None:
    server = FakeServer(2)
    with Simulation(seed=1) as sim:
        informer = _informer_at(sim, server)
        server.write("a", delete=False)
        sim.run_for(0.1)
        sim.set_faults(RandomFaults(drop=1.0))
        for name in "abcd":
            server.write(name, delete=name == "a")
        sim.run_for(0.1)
        assert informer.revision == 2, "it was told nothing"
        sim.set_faults(None)
        assert sim.run_until(lambda: informer.revision == server.revision, 30)
        assert view_of(informer) == server.history[-1] == {"b": 4, "c": 5, "d": 6}


def test_indexes_follow() -> None:
    server = FakeServer(100)
    with Simulation(seed=1) as sim:
        informer = _informer_at(sim, server)
        informer.add_index("at", lambda obj: [obj.get("data", {}).get("at", "")])
        server.write("a", delete=False)
        server.write("b", delete=False)
        sim.run_for(0.1)
        assert [obj["metadata"]["name"] for obj in informer.by_index("at", "2")] == ["a"]
        server.write("a", delete=False)
        sim.run_for(0.1)
        assert informer.by_index("at", "2") == []
        assert [obj["metadata"]["name"] for obj in informer.by_index("at", "4")] == ["a"]


def test_waiting_for_sync_ends_when_the_server_comes_up_late() -> None:
    server = FakeServer(100)
    with Simulation(seed=5) as sim:
        ctx = sim.context("watcher")
        informer = Informer(Client(ctx), STREAM)
        started = ctx.spawn(informer.start(), "start")
        sim.run_for(45)
        assert not started.done()
        sim.spawn_actor("apiserver", server.run)
        assert sim.run_until(started.done, 10)
