"""Amaranth's enumerations, which a type checker takes for the standard library's.

Amaranth has no types: to a checker its members would be plain numbers, and `UnitKind.TILE` no `UnitKind`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import enum
else:
    from amaranth.lib import enum

__all__ = ["enum"]
