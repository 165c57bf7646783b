"""The mark of an input that was given nothing; it knows no interface."""

from __future__ import annotations


class UndefinedType:
    """Not given; distinct from None, which is a value. Setting an input to it takes its value away."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<undefined>"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "Undefined"

    def __copy__(self) -> UndefinedType:
        return self

    def __deepcopy__(self, memo: object) -> UndefinedType:
        return self


Undefined = UndefinedType()


def isdefined(value: object) -> bool:
    """Whether an input was given something, as in nipype."""
    return value is not Undefined
