"""Structured events on stderr: for people on a terminal, one JSON object a line otherwise.

Security: no subject, body or credential is ever a value of an event; docs/logs.md lists the vocabulary.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(*, form: str, level: str) -> None:
    """Set the form (`auto`, `json`, `console`) and the least level of all events."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=_CONSOLE if console else [_json_line],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Stderr())),
        cache_logger_on_first_use=True,
    )
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "mail.log"):
        logger = logging.getLogger(name)
        logger.handlers = [_Bridge()]
        logger.propagate = False
        logger.setLevel(logging.WARNING)


# Security: a traceback may quote values of mail; the class and the place are enough to find a bug.
_describe_exception = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
_CONSOLE: list[structlog.typing.Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _describe_exception,
    structlog.dev.ConsoleRenderer(sort_keys=False),
]
_encode = json.JSONEncoder(default=repr).encode


def _json_line(logger: WrappedLogger, name: str, event: EventDict) -> str:
    """Render an event as one JSON object. One function for the whole chain: two events tell of every message."""
    if "exc_info" in event:
        event = _describe_exception(logger, name, event)
    event["level"] = name
    event["timestamp"] = datetime.now(UTC).isoformat()[:-6] + "Z"  # without +00:00
    return _encode(event)


class _Stderr:
    """Standard error that never fails: a log on a full disk must not stop what it tells of."""

    def write(self, text: str) -> int:
        """Write what can be written."""
        try:
            return sys.stderr.write(text)
        except (OSError, ValueError):
            return 0

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


class _Bridge(logging.Handler):
    """Turns a library's sentence into an event of ours; its arguments may quote mail and are left out."""

    def emit(self, record: logging.LogRecord) -> None:
        exception = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        structlog.get_logger().log(
            record.levelno, "library.said", library=record.name, template=str(record.msg), error=exception
        )
