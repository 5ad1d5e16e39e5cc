from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine

import pytest
from structlog.testing import capture_logs

from maild.app.living import Living, PartEndedError


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def _returns() -> None:
    pass


async def _breaks() -> None:
    raise ValueError("secret")


@pytest.mark.parametrize(("work", "error"), [(_returns(), ""), (_breaks(), "ValueError")])
async def test_the_first_part_that_ends_ends_all_and_is_named(
    work: Coroutine[object, object, None], error: str
) -> None:
    living = Living(exit_now=lambda _: None)
    other = living.task("other", _for_ever())
    with capture_logs() as logs:
        living.task("short", work)
        with pytest.raises(PartEndedError, match=r"^short has ended"):
            await living.until_over()
        other.cancel()
        await asyncio.wait({other})
    assert logs == [{"event": "daemon.failed", "part": "short", "error": error, "log_level": "error"}]


async def test_a_thread_tells_of_its_end_from_within() -> None:
    living = Living(exit_now=lambda _: None)
    threading.Thread(target=living.thread("writer"), args=(MemoryError(),)).start()
    with pytest.raises(PartEndedError, match=r"^writer has ended"):
        await living.until_over()


async def test_who_ends_when_all_do_is_no_fault_but_an_error_is_told() -> None:
    living = Living()
    parts = [living.task("a", _for_ever()), living.task("b", _breaks())]
    living.end()
    with capture_logs() as logs:
        await living.until_over()
        parts[0].cancel()
        await asyncio.wait(parts)
    assert [(log["event"], log["part"]) for log in logs] == [("daemon.unfinished", "b")]


async def test_what_cannot_finish_is_cut_off() -> None:
    codes: list[int] = []
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def exit_now(code: int) -> None:
        codes.append(code)
        loop.call_soon_threadsafe(over.set)

    living = Living(last_s=0.01, exit_now=exit_now)
    living.task("short", _returns())
    async with asyncio.timeout(60):
        await over.wait()
    assert codes == [os.EX_TEMPFAIL]
