"""Forms with files: read within limits, the files to temporary files and not to memory.

Source: RFC 7578
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

_MAX_FIELDS = 400
_MAX_FILES = 20
_MAX_FIELD_BYTES = 4_000_000
_SLOWEST_BYTES_S = 20_000  # an upload may take as long as this, beside the time of any form

Upload = tuple[Mapping[str, str], tuple[UploadFile, ...]]


def is_multipart(request: Request) -> bool:
    """Tell whether a request carries a form with files."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "multipart/form-data"


async def read_upload(request: Request, max_bytes: int, body_timeout_s: float) -> Upload:
    """Return the fields of a form and its files; raises HTTPException 400, 408 or 413. Who gets files closes them."""
    declared = request.headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit() or int(declared[:12]) > max_bytes:
        raise HTTPException(413)
    parser = MultiPartParser(
        request.headers, _limited(request, max_bytes), max_files=_MAX_FILES, max_fields=_MAX_FIELDS,
        max_part_size=_MAX_FIELD_BYTES,
    )  # fmt: skip
    try:
        async with asyncio.timeout(body_timeout_s + max_bytes / _SLOWEST_BYTES_S):
            form = await parser.parse()
    except _TooLargeError:
        raise HTTPException(413) from None
    except TimeoutError:
        raise HTTPException(408) from None
    except (MultiPartException, UnicodeError, KeyError, ValueError):
        raise HTTPException(400) from None
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    files = tuple(value for _, value in form.multi_items() if isinstance(value, UploadFile))
    return fields, files


class _TooLargeError(MultiPartException):
    """More than may come; the parser closes its files for an error of this kind."""


async def _limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    seen = 0
    async for piece in request.stream():
        seen += len(piece)
        if seen > max_bytes:
            raise _TooLargeError("too large")
        yield piece
