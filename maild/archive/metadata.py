"""What the declarations of tables share."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData()
# SQLite makes only an INTEGER primary key the row id itself; its integers have 64 bits all the same.
Identity64 = BigInteger().with_variant(Integer, "sqlite")
