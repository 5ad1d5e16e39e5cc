"""What a test leaves behind that fails is its own affair: it makes no other one fail.

The traceback of a failure keeps whatever the test had in hand: its sockets, pools, loops. Collected later, their
warnings, which are errors here, would be those of another test.
"""

from __future__ import annotations

import gc
import sys
import traceback
import warnings
from collections.abc import Generator, Iterator
from types import TracebackType

import pytest

_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_failed] = True
        if call.excinfo is not None and not item.config.option.usepdb:
            for error in _chain(call.excinfo.value):
                _let_go(error.__traceback__)
            for name in ("last_type", "last_value", "last_traceback", "last_exc"):  # for who looks into it by hand
                vars(sys).pop(name, None)
    if item.stash.get(_failed, False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if call.when == "teardown" and isinstance(item, pytest.Function):
                item.funcargs.clear()
            gc.collect()
    return report


def _let_go(trace: TracebackType | None) -> None:
    traceback.clear_frames(trace)
    while trace is not None:
        _ = trace.tb_frame.f_locals  # up to Python 3.12 a copy that is made once; made anew, it is empty, too
        trace = trace.tb_next


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it came of."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from _chain(each)
        error = error.__cause__ or error.__context__
