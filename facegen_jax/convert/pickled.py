"""Pickles read as data.

Only instructions that build plain values are run; nothing is imported or called. `pickletools`
decodes the instructions, with bounds checks; classes and functions become their names.
"""

import io
import pickletools
from typing import Any, NamedTuple

from .cursor import SourceError

MAX_INSTRUCTIONS, MAX_PICKLE = 200_000, 1 << 24
PICKLE_TOO_LARGE = (
    "more than 16 MiB of pickled values beside the tensors: not a state dict of VGG-Face"
)


class Name(NamedTuple):
    """A class or function, represented by its name alone."""

    name: str


class Call(NamedTuple):
    """A function call recorded in the pickle and never made."""

    name: str
    arguments: tuple[Any, ...]


class Persistent(NamedTuple):
    """A reference to data outside the pickle."""

    key: Any


class _Mark:
    """The marker that MARK pushes onto the stack."""


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
    "SHORT_BINSTRING",
    "BINSTRING",
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickle(stream: io.BytesIO) -> Any:
    """Return the value of the pickle at the stream's position, and advance past it.

    Raises:
        SourceError: a damaged pickle, or an instruction that no state dict needs.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MAX_INSTRUCTIONS:
                raise SourceError(
                    f"a pickle of more than {MAX_INSTRUCTIONS} instructions: "
                    "not a state dict of VGG-Face"
                )
            if opcode.name == "STOP":
                return stack.pop()
            _run(opcode.name, argument, stack, memo)
    except SourceError:
        raise
    except Exception as error:  # damaged instructions can misuse the stack in any way
        raise SourceError(
            f"a damaged pickle ({type(error).__name__}: {str(error)[:100]})"
        ) from None
    raise SourceError("a pickle without an end: the file is truncated")


def _run(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    """Run one instruction: push a value, or read or write the memo."""
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
        stack.append(tuple(_pop_to_mark(stack)))
    else:
        _combine(name, argument, stack)


def _combine(name: str, argument: Any, stack: list[Any]) -> None:
    """Run an instruction that fills containers or represents code."""
    if name == "GLOBAL":
        stack.append(Name(argument.replace(" ", ".")))
    elif name == "STACK_GLOBAL":
        member, module = stack.pop(), stack.pop()
        stack.append(Name(f"{_text(module)}.{_text(member)}"))
    elif name == "BINPERSID":
        stack.append(Persistent(stack.pop()))
    elif name in ("REDUCE", "NEWOBJ"):
        arguments, function = stack.pop(), stack.pop()
        stack.append(_call(function, arguments))
    elif name == "BUILD":
        stack.pop()  # object attributes, which hold none of a state dict's values
    elif name == "APPEND":
        value = stack.pop()
        stack[-1].append(value)
    elif name == "APPENDS":
        values = _pop_to_mark(stack)
        stack[-1].extend(values)
    elif name == "SETITEM":
        value, key = stack.pop(), stack.pop()
        stack[-1][_key(key)] = value
    elif name == "SETITEMS":
        values = _pop_to_mark(stack)
        stack[-1].update(zip(map(_key, values[::2]), values[1::2], strict=True))
    else:
        raise SourceError(
            f"a pickle with the instruction {name}, which no state dict needs; "
            "save model.state_dict() with torch.save"
        )


def _call(function: Any, arguments: Any) -> Any:
    """Record a call instead of making it; only an OrderedDict becomes a dict."""
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise SourceError("a pickle that calls something other than a function: it is damaged")
    if function.name == "collections.OrderedDict":
        # Python 2 passes a list of pairs; Python 3 passes nothing and sets the items later.
        return {_key(key): value for key, value in (arguments[0] if arguments else ())}
    return Call(function.name, arguments)


def _key(value: Any) -> str | int:
    """Return a dict key; refuse nested ones, which could take forever to hash."""
    if not isinstance(value, str | int):
        raise SourceError(
            "a pickled dict whose keys are neither strings nor integers: not a state dict"
        )
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise SourceError("a pickle whose class name is not a string: the file is damaged")
    return value


def _pop_to_mark(stack: list[Any]) -> list[Any]:
    """Pop the values above the last mark, and the mark itself."""
    index = len(stack) - 1
    while stack[index] is not _MARK:
        index -= 1
        if index < 0:
            raise SourceError("a pickle without the mark it pops to: the file is damaged")
    values = stack[index + 1 :]
    del stack[index:]
    return values
