"""Pickles read as data: a few instructions that build plain values are followed, nothing is imported or called.

`pickletools` takes the instructions apart (with bounds checks); classes and functions become their names.
"""

import io
import pickletools
from typing import Any, NamedTuple

from .cursor import SourceError

MAX_INSTRUCTIONS, MAX_HEAD = 200_000, 1 << 24
HEAD_TOO_LONG = (
    "pickled values of more than 16 MiB beside the tensors: not a state dict of VGG-Face"
)


class Name(NamedTuple):
    """A class or function, by its name only."""

    name: str


class Call(NamedTuple):
    """What a function would have made; it was not called."""

    name: str
    arguments: tuple[Any, ...]


class Persistent(NamedTuple):
    """A reference to data outside the pickle."""

    key: Any


class _Mark:
    """The place on the stack that MARK leaves."""


_MARK = _Mark()
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_LITERALS = {
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "BINFLOAT",
    "SHORT_BINBYTES",
    "BINBYTES",
}
_LITERALS |= {"SHORT_BINSTRING", "BINSTRING"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickle(stream: io.BytesIO) -> Any:
    """The value of the pickle at the stream's position, which moves behind it.

    Raises:
        SourceError: damaged, or an instruction that no state dict needs.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MAX_INSTRUCTIONS:
                raise SourceError(
                    f"a pickle of more than {MAX_INSTRUCTIONS} instructions: not a state dict of VGG-Face"
                )
            if opcode.name == "STOP":
                return stack.pop()
            _follow(opcode.name, argument, stack, memo)
    except SourceError:
        raise
    except Exception as error:  # whatever broken instructions make of the stack
        raise SourceError(
            f"a damaged pickle ({type(error).__name__}: {str(error)[:100]})"
        ) from None
    raise SourceError("a pickle without an end: the file is cut short")


def _follow(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    if name in ("PROTO", "FRAME"):
        return
    if name in _LITERALS:
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _EMPTY:
        stack.append(_EMPTY[name]())
    elif name == "MARK":
        stack.append(_MARK)
    elif name in ("BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name in _TUPLES:
        stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
    elif name == "TUPLE":
        stack.append(tuple(_marked(stack)))
    else:
        _combine(name, argument, stack)


def _combine(name: str, argument: Any, stack: list[Any]) -> None:
    """Instructions that put values into others, or stand for code."""
    if name == "GLOBAL":
        stack.append(Name(argument.replace(" ", ".")))
    elif name == "STACK_GLOBAL":
        member, module = stack.pop(), stack.pop()
        stack.append(Name(f"{_text(module)}.{_text(member)}"))
    elif name == "BINPERSID":
        stack.append(Persistent(stack.pop()))
    elif name in ("REDUCE", "NEWOBJ"):
        arguments, function = stack.pop(), stack.pop()
        stack.append(_called(function, arguments))
    elif name == "BUILD":
        stack.pop()  # attributes of an object; a state dict's values are not among them
    elif name == "APPEND":
        value = stack.pop()
        stack[-1].append(value)
    elif name == "APPENDS":
        values = _marked(stack)
        stack[-1].extend(values)
    elif name == "SETITEM":
        value, key = stack.pop(), stack.pop()
        stack[-1][_key(key)] = value
    elif name == "SETITEMS":
        values = _marked(stack)
        stack[-1].update(zip(map(_key, values[::2]), values[1::2], strict=True))
    else:
        raise SourceError(
            f"a pickle with the instruction {name}, which no state dict needs; save model.state_dict() with torch.save"
        )


def _called(function: Any, arguments: Any) -> Any:
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise SourceError("a pickle that calls what is no function: the file is damaged")
    if (
        function.name == "collections.OrderedDict"
    ):  # Python 2 gives it a list of pairs, Python 3 fills it afterwards
        return {_key(key): value for key, value in (arguments[0] if arguments else ())}
    return Call(function.name, arguments)


def _key(value: Any) -> str | int:
    """A key of a dict; nested ones would take forever to hash."""
    if not isinstance(value, str | int):
        raise SourceError(
            "a pickled dict whose keys are neither text nor numbers: not a state dict"
        )
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise SourceError("a pickle that names what is no text: the file is damaged")
    return value


def _marked(stack: list[Any]) -> list[Any]:
    """What lies above the last mark, taken off together with it."""
    place = len(stack) - 1
    while stack[place] is not _MARK:
        place -= 1
        if place < 0:
            raise SourceError("a pickle that collects without a mark: the file is damaged")
    values = stack[place + 1 :]
    del stack[place:]
    return values
