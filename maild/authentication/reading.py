"""What runs in a worker process: read who a message says has written it, and what it offers as proof."""

from __future__ import annotations

from typing import NamedTuple

from maild.authentication.author import Author, author_of
from maild.authentication.canonical import read_mail
from maild.authentication.claims import Claims, read_claims


class Read(NamedTuple):
    """Who is said to have written a message, and its signatures with all that must be computed of its octets."""

    author: Author
    claims: Claims


UNREADABLE = Read(Author(problem="unreadable"), Claims())  # beyond the limits of the worker that was to read it


def read_sender(content: bytes) -> Read:
    """Read one message. Never raises for mail."""
    mail = read_mail(content)
    return Read(author_of(content, mail), read_claims(content, mail))


def read_senders(*contents: bytes) -> list[Read]:
    """Read several messages."""
    return [read_sender(content) for content in contents]
