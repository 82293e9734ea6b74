"""A UID that nothing else has."""

from __future__ import annotations

import os


def new_uid() -> str:
    """Return a UID made of a random UUID, version 4 (PS3.5 B.2).

    Without the module `uuid`, which asks the platform for much that is of no use here.
    """
    number = int.from_bytes(os.urandom(16), "big")
    number = number & ~(0xF000 << 64) | 0x4000 << 64  # version
    number = number & ~(0xC000 << 48) | 0x8000 << 48  # variant
    return f"2.25.{number}"
