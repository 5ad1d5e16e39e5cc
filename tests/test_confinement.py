"""Workers: what breaks a bound costs one call, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from maild.confinement import Bounds, ConfinementError, Pool, Streamed, StreamError, Worker, child
from maild.confinement.worker import _NURSERY
from maild.mail.facts import Automatic, Mailbox

ROOT = Path(__file__).parent.parent
QUICK = Bounds(cpu_s=1, memory_bytes=64 * 1024 * 1024, wall_s=60.0)


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(bounds=QUICK)
    yield worker
    worker.kill()


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool(2, bounds=QUICK)
    yield pool
    await pool.close()


def gone(process: int | Worker) -> bool:
    """Tell whether a process has ended, waiting for it with a deadline."""
    pid = process.pid if isinstance(process, Worker) else process
    assert pid is not None, "it has never been ready"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        threading.Event().wait(0.01)
    return False


def stream_of(count: int, *, said: int | None = None) -> Streamed:
    """Return a stream of pieces of 1,000 octets that says how large it is, or tells a lie about it."""
    return Streamed(1000 * count if said is None else said, lambda: (bytes(1000) for _ in range(count)))


def broken_stream() -> Streamed:
    def pieces() -> Iterator[bytes]:
        yield bytes(1000)
        raise KeyError("the disk is gone")

    return Streamed(2000, pieces)


async def failure(pool: Pool, target: str, *, wall_s: float | None = None) -> str:
    with pytest.raises(ConfinementError) as caught:
        await pool.run(target, wall_s=wall_s)
    return caught.value.kind


class TestWorker:
    def test_a_call_returns_what_the_function_returned(self, worker: Worker) -> None:
        assert worker.call("tests.confined:add", 2, 3) == 5

    def test_values_of_maild_come_back_as_themselves(self, worker: Worker) -> None:
        assert worker.call("tests.confined:mailbox", "Ä") == (Mailbox(name="Ä", mail="a@b.example"),)

    @pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 35_000_000])
    def test_octets_of_any_size_arrive_as_bytes(self, size: int) -> None:
        worker = Worker()
        octets = b"x" * size
        assert worker.call("tests.confined:kind_of", octets) == ("bytes", size)
        assert worker.call("tests.confined:echo", octets) == octets
        worker.kill()

    def test_a_stream_arrives_as_bytes_beside_octets_of_both_sizes(self, worker: Worker) -> None:
        found = worker.call("tests.confined:kinds_of", b"x", stream_of(300), b"y" * 70_000, stream_of(1))
        assert found == [("bytes", 1), ("bytes", 300_000), ("bytes", 70_000), ("bytes", 1000)]

    @pytest.mark.parametrize("said", [1, 299_999, 300_001])
    def test_a_stream_that_lies_about_its_size_ends_the_worker(self, worker: Worker, said: int) -> None:
        with pytest.raises(StreamError):
            worker.call("tests.confined:kind_of", stream_of(300, said=said))
        assert gone(worker)

    @pytest.mark.parametrize(
        ("function", "kind"),
        [("spin", "cpu"), ("hog", "memory"), ("crash", "crash"), ("leave", "crash")],
    )
    def test_a_broken_bound_ends_the_worker(self, worker: Worker, function: str, kind: str) -> None:
        with pytest.raises(ConfinementError) as caught:
            worker.call(f"tests.confined:{function}")
        assert (caught.value.kind, worker.dead, gone(worker)) == (kind, True, True)

    def test_a_call_that_hangs_is_ended_by_the_wall_time(self, worker: Worker) -> None:
        with pytest.raises(ConfinementError) as caught:
            worker.call("tests.confined:hang", wall_s=0.3)
        assert (caught.value.kind, gone(worker)) == ("wall", True)

    @pytest.mark.parametrize("function", ["refuse", "unpicklable", "no_such_function"])
    def test_an_error_leaves_the_worker_fit_for_the_next_call(self, worker: Worker, function: str) -> None:
        with pytest.raises(ConfinementError) as caught:
            worker.call(f"tests.confined:{function}")
        assert caught.value.kind == "error"
        assert worker.call("tests.confined:add", 1, 1) == 2

    def test_an_error_says_what_the_function_raised(self, worker: Worker) -> None:
        with pytest.raises(ConfinementError, match="ValueError: not this one"):
            worker.call("tests.confined:refuse")

    @pytest.mark.parametrize("function", ["code", "stranger"])
    def test_an_answer_that_is_no_value_of_maild_is_refused(self, worker: Worker, function: str) -> None:
        with pytest.raises(ConfinementError, match="unreadable answer") as caught:
            worker.call(f"tests.confined:{function}")
        assert (caught.value.kind, worker.dead) == ("crash", True)

    @pytest.mark.parametrize("member", list(Automatic))
    def test_a_member_of_an_enumeration_arrives_as_older_pythons_name_it(
        self, worker: Worker, member: Automatic
    ) -> None:
        assert worker.call("tests.confined:attribute_of", True, member.name) is member

    @pytest.mark.parametrize(
        ("enumeration", "name"),
        [(True, "__init_subclass__"), (True, "mro"), (True, "real"), (False, "name"), (False, "__init__")],
    )
    def test_an_answer_reaches_no_other_attribute_by_the_name_of_a_member(
        self, worker: Worker, enumeration: bool, name: str
    ) -> None:
        with pytest.raises(ConfinementError, match="unreadable answer"):
            worker.call("tests.confined:attribute_of", enumeration, name)

    def test_the_bound_on_cpu_is_one_of_each_call(self) -> None:
        worker = Worker(bounds=Bounds(cpu_s=2))
        assert [worker.call("tests.confined:burn", 0.5) for _ in range(5)] == ["burnt"] * 5
        worker.kill()

    def test_a_worker_gave_up_what_a_reader_never_needs(self, worker: Worker, tmp_path: Path) -> None:
        limits = worker.call("tests.confined:limits")
        assert limits["RLIMIT_CORE"] == limits["RLIMIT_FSIZE"] == limits["RLIMIT_NPROC"] == (0, 0)
        assert "NoNewPrivs:\t1" in worker.call("tests.confined:status")
        with pytest.raises(ConfinementError):
            worker.call("tests.confined:write", str(tmp_path / "x"))
        assert not (tmp_path / "x").exists() or not (tmp_path / "x").read_text()

    def test_a_worker_of_a_program_that_is_limited_itself_serves_within_that(self) -> None:
        program = """
import ctypes, resource
from maild.confinement import Bounds, Worker
resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, 2_000_000_000))
ctypes.CDLL(None).prctl(24, 24)  # PR_CAPBSET_DROP CAP_SYS_RESOURCE: root may raise a limit again, its workers may not
worker = Worker(bounds=Bounds(memory_bytes=4_000_000_000))
print(worker.call("tests.confined:add", 1, 2))
"""
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.stdout == "3\n", done.stderr

    def test_a_worker_inherits_no_secrets_and_no_files(self, worker: Worker, tmp_path: Path) -> None:
        with (tmp_path / "secret").open("w") as secret:
            os.set_inheritable(secret.fileno(), True)
            another = Worker(bounds=QUICK)
            links = another.call("tests.confined:descriptors")
            another.kill()
        assert not any("secret" in link for link in links)
        assert set(worker.call("tests.confined:environment")) <= {"LC_ALL", "LC_CTYPE"}

    def test_a_worker_serves_a_plain_thread(self) -> None:
        found: list[int] = []

        def run() -> None:
            worker = Worker(bounds=QUICK)
            found.extend(worker.call("tests.confined:add", n, 1) for n in range(3))
            worker.kill()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(60)
        assert found == [1, 2, 3]

    def test_preloaded_modules_are_there_before_the_first_call(self) -> None:
        worker = Worker(preload=("maild.mail.reading",))
        facts = worker.call("maild.mail.reading:facts_of", b"Subject: x\r\n\r\ny")
        assert facts.subject == "x"
        worker.kill()


class TestNursery:
    def test_workers_are_copies_of_one_process_and_have_no_way_to_each_other(self, worker: Worker) -> None:
        assert worker.call("tests.confined:add", 1, 1) == 2
        another = Worker(bounds=QUICK)
        assert nursery_of(another) == nursery_of(worker) != os.getpid()
        links = [link for link in another.call("tests.confined:descriptors") if link.startswith(("socket:", "pipe:"))]
        assert len(links) == 1  # the one to us
        another.kill()

    def test_workers_go_with_it_and_the_next_begins_another(self) -> None:
        workers = [Worker(bounds=QUICK) for _ in range(2)]
        first = nursery_of(workers[0])
        os.kill(first, signal.SIGKILL)
        assert gone(first)
        for worker in workers:
            with pytest.raises(ConfinementError) as caught:
                worker.call("tests.confined:add", 1, 1)
            assert (caught.value.kind, worker.dead) == ("crash", True)
        third = Worker(bounds=QUICK)
        assert nursery_of(third) != first
        third.kill()

    def test_it_ends_with_its_parent(self) -> None:
        program = "from maild.confinement import Worker\nprint(Worker().call('tests.confined:parent'), flush=True)\n"
        for end in ("", "import os\nos._exit(0)"):
            done = subprocess.run(
                [sys.executable, "-c", program + end], cwd=ROOT, capture_output=True, text=True, check=True
            )
            assert gone(int(done.stdout))
            assert done.stderr == ""

    def test_a_module_that_cannot_be_imported_is_the_trouble_of_who_wants_it(self, worker: Worker) -> None:
        wanting = Worker(bounds=QUICK, preload=("tests.no_such_module",))
        with pytest.raises(ConfinementError, match="crash"):
            wanting.call("tests.confined:add", 1, 1)
        assert worker.call("tests.confined:add", 1, 1) == 2

    def test_without_room_for_a_process_it_tries_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        failing = [BlockingIOError("no process is left"), BlockingIOError("nor now")]

        def fork() -> int:
            if failing:
                raise failing.pop()
            return 7

        monkeypatch.setattr(os, "fork", fork)
        monkeypatch.setattr(child, "_AGAIN_S", 0.0)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            breeder = child.Breeder(theirs)
            assert breeder._fork() == 7
            breeder._died.close()
            breeder._wake.close()


def nursery_of(worker: Worker) -> int:
    found = worker.call("tests.confined:parent")
    assert isinstance(found, int)
    return found


@pytest.mark.parametrize(
    "then", ["sys.stdin.read()", "worker.call('tests.confined:spin')", "worker.call('tests.confined:hang')"]
)
def test_workers_do_not_outlive_a_parent_that_is_killed(then: str) -> None:
    program = f"""
import sys
from maild.confinement import Worker
worker = Worker()
print(worker.call("tests.confined:pid"), flush=True)
{then}
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.kill()
    assert gone(child)


class TestPool:
    async def test_calls_are_shared_out(self, pool: Pool) -> None:
        found = await asyncio.gather(*(pool.run("tests.confined:add", n, 1) for n in range(20)))
        assert found == list(range(1, 21))

    @pytest.mark.parametrize("function", ["spin", "hog", "crash", "leave"])
    async def test_a_broken_worker_is_replaced_at_once(self, pool: Pool, function: str) -> None:
        await failure(pool, f"tests.confined:{function}")
        found = await asyncio.gather(*(pool.run("tests.confined:add", n, 1) for n in range(4)))
        assert found == [1, 2, 3, 4]

    async def test_every_worker_may_break_and_the_pool_still_serves(self, pool: Pool) -> None:
        kinds = await asyncio.gather(*(failure(pool, "tests.confined:crash") for _ in range(6)))
        assert kinds == ["crash"] * 6
        assert await pool.run("tests.confined:add", 1, 1) == 2

    async def test_a_worker_that_hangs_does_not_hold_up_others(self, pool: Pool) -> None:
        hanging = asyncio.create_task(pool.run("tests.confined:hang"))
        found = [await pool.run("tests.confined:add", n, 1) for n in range(5)]
        assert (found, hanging.done()) == ([1, 2, 3, 4, 5], False)
        assert await failure(pool, "tests.confined:hang", wall_s=0.3) == "wall"
        hanging.cancel()

    async def test_who_gives_up_waiting_for_a_worker_to_start_does_not_end_it(self, worker: Worker) -> None:
        worker.call("tests.confined:pid")  # there is a process that workers are copies of
        assert _NURSERY._process
        os.kill(_NURSERY._process.pid, signal.SIGSTOP)  # so no worker starts while they wait
        try:
            pool = Pool(1, bounds=QUICK)
            (late,) = pool._free
            for _ in range(3):
                waiting = asyncio.create_task(pool.run("tests.confined:add", 1, 1))
                await asyncio.sleep(0)
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await waiting
        finally:
            os.kill(_NURSERY._process.pid, signal.SIGCONT)
        assert await pool.run("tests.confined:add", 1, 1) == 2
        assert list(pool._free) == [late]
        await pool.close()

    async def test_bulk_never_takes_the_last_free_worker(self, pool: Pool) -> None:
        bulk = [asyncio.create_task(pool.run("tests.confined:hang", wall_s=30, bulk=True)) for _ in range(3)]
        assert await pool.run("tests.confined:add", 1, 1) == 2
        for task in bulk:
            task.cancel()
        assert all(isinstance(r, asyncio.CancelledError) for r in await asyncio.gather(*bulk, return_exceptions=True))

    async def test_bulk_runs_when_there_is_but_one_worker(self) -> None:
        pool = Pool(1, bounds=QUICK)
        assert await pool.run("tests.confined:add", 1, 1, bulk=True) == 2
        await pool.close()

    async def test_waiting_bulk_runs_once_workers_are_free(self, pool: Pool) -> None:
        found = await asyncio.gather(*(pool.run("tests.confined:add", n, 0, bulk=n % 2 == 0) for n in range(9)))
        assert found == list(range(9))

    async def test_a_call_that_is_cancelled_leaves_no_half_frame_behind(self, pool: Pool) -> None:
        task = asyncio.create_task(pool.run("tests.confined:hang"))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), 0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [await pool.run("tests.confined:add", n, 1) for n in range(4)] == [1, 2, 3, 4]

    async def test_a_pool_that_is_closed_ends_its_calls_and_workers(self) -> None:
        pool = Pool(2, bounds=QUICK)
        pids = {await pool.run("tests.confined:pid") for _ in range(4)}
        calls = [asyncio.create_task(failure(pool, "tests.confined:hang")) for _ in range(4)]
        await asyncio.sleep(0)  # let them begin
        await pool.close()
        assert await asyncio.gather(*calls) == ["crash"] * 4
        assert all(gone(pid) for pid in pids)
        assert await failure(pool, "tests.confined:pid") == "crash"

    async def test_large_octets_pass_both_ways(self) -> None:
        pool = Pool(1)
        octets = os.urandom(1 << 20) * 35
        assert await pool.run("tests.confined:echo", octets) == octets
        await pool.close()

    @pytest.mark.parametrize(
        ("stream", "raised"),
        [(lambda: stream_of(9, said=9_001), StreamError), (broken_stream, KeyError)],
    )
    async def test_a_stream_that_breaks_costs_its_own_call_only(
        self, pool: Pool, stream: Callable[[], Streamed], raised: type[Exception]
    ) -> None:
        for _ in range(3):
            with pytest.raises(raised):
                await pool.run("tests.confined:kind_of", stream())
        assert [await pool.run("tests.confined:add", n, 1) for n in range(4)] == [1, 2, 3, 4]

    async def test_a_worker_that_cannot_be_replaced_for_want_of_descriptors_is_replaced_later(self, pool: Pool) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert await pool.run("tests.confined:add", 1, 1) == 2
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            assert [await failure(pool, "tests.confined:crash") for _ in range(2)] == ["crash"] * 2
            waiting = asyncio.create_task(pool.run("tests.confined:add", 1, 2))
            await asyncio.sleep(0)
            assert not waiting.done()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert await waiting == 3

    async def test_poison_mail_costs_its_own_call_only(self, pool: Pool) -> None:
        # K19: one message kills its reader, twice; the next is read as ever.
        for _ in range(2):
            assert await failure(pool, "tests.confined:crash") == "crash"
        facts = await pool.run("maild.mail.reading:facts_of", b"Subject: next\r\n\r\nbody")
        assert facts.subject == "next"
