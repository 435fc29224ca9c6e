"""Pickles read as data.

Only instructions that build plain values are run; nothing is imported or called. `pickletools`
decodes the instructions, with bounds checks; classes and functions become their names.
"""

import io
import pickletools
from collections.abc import Iterable
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
    """A function call recorded in the pickle and never made, and what is put into its result."""

    name: str
    arguments: tuple[Any, ...]
    members: dict[Any, Any]


class Persistent(NamedTuple):
    """A reference to data outside the pickle."""

    key: Any


class _Mark:
    """The marker that MARK pushes onto the stack."""


_MARK = _Mark()
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": list}
"""What is made for each; sets become lists, whose members are never hashed."""
_LITERALS = {
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING"),
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "INT", "LONG", "FLOAT", "UNICODE"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
MAX_KEY = 8
"""Members of a tuple that is a key; larger ones, and nested ones, are told by their number."""
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
    elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
        memo[argument] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET", "GET"):
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
    elif name in ("REDUCE", "NEWOBJ", "NEWOBJ_EX"):
        if name == "NEWOBJ_EX":
            stack.pop()  # keywords
        arguments, function = stack.pop(), stack.pop()
        stack.append(_call(function, arguments))
    elif name == "BUILD":
        stack.pop()  # object attributes, which hold none of a state dict's values
    elif name in ("LIST", "FROZENSET"):
        stack.append(_pop_to_mark(stack))
    elif name == "DICT":
        values = _pop_to_mark(stack)
        stack.append(_set_items({}, zip(values[::2], values[1::2], strict=True)))
    elif name in ("APPEND", "APPENDS", "ADDITEMS"):
        values = [stack.pop()] if name == "APPEND" else _pop_to_mark(stack)
        _extend(stack[-1], values)
    elif name in ("SETITEM", "SETITEMS"):
        values = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else _pop_to_mark(stack)
        _set_items(stack[-1], zip(values[::2], values[1::2], strict=True))
    else:
        raise SourceError(
            f"a pickle with the instruction {name}, which no state dict needs; "
            "save model.state_dict() with torch.save, whose default pickle_protocol is read"
        )


def _call(function: Any, arguments: Any) -> Any:
    """Record a call instead of making it; only an OrderedDict becomes a dict."""
    if not isinstance(function, Name | Call) or not isinstance(arguments, tuple):
        raise SourceError("a pickle that calls something other than a function: it is damaged")
    if function.name == "collections.OrderedDict":
        # Python 2 passes a list of pairs; Python 3 passes nothing and sets the items later.
        return _set_items({}, arguments[0] if arguments else ())
    return Call(function.name, arguments, {})


def _extend(target: Any, values: list[Any]) -> None:
    """Append to a list, or to what a call (a deque, a list of the user's own) would return."""
    if isinstance(target, Call):
        target.members.update(enumerate(values, len(target.members)))
    else:
        target.extend(values)


def _set_items(target: Any, items: Iterable[Any]) -> Any:
    """Set items of a dict, or of what a call (a defaultdict) would return; return the target."""
    members = target.members if isinstance(target, Call) else target
    for key, value in items:
        if _is_plain(key) or (
            type(key) is tuple and len(key) <= MAX_KEY and all(map(_is_plain, key))
        ):
            members[key] = value
        else:  # nested ones could take forever to hash
            members[f"key {len(members)}"] = value
    return target


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bytes)


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
