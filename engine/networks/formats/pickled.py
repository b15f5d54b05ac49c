"""Pickles read as data: objects are described, never created, and nothing that they name is run.

A machine for the operations of the pickle format, decoded by the standard library. Where `pickle`
would look up a class or a function and call it, this one notes its name.
"""

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

LARGEST = 64 << 20
"""Most bytes of a pickle that are looked at; the numbers of tensors are stored outside it."""
LARGEST_NUMBER = 1000
"""Most digits of a number."""

RUNS_CODE = frozenset({
    "os", "posix", "nt", "ntpath", "posixpath", "subprocess", "sys", "runpy", "shutil",
    "socket", "pty", "commands", "importlib", "imp", "code", "codeop", "ctypes",
    "multiprocessing", "asyncio", "webbrowser", "urllib", "http", "ftplib", "smtplib",
    "tempfile", "pathlib", "platform", "pip", "setuptools", "pickle", "_pickle", "marshal",
    "shelve", "types", "inspect", "pdb", "bdb", "timeit", "cProfile", "profile", "trace",
    "signal", "threading", "_thread",
})  # fmt: skip
"""Packages that no weights need: a call into them is meant to do something."""
HARMLESS = frozenset({
    "dict", "list", "tuple", "set", "frozenset", "int", "float", "complex", "bool", "str",
    "bytes", "bytearray", "slice", "range", "object", "print",
})  # fmt: skip
"""Harmless functions of Python; all others (`eval`, `getattr`) are meant to do something."""


class Global(NamedTuple):
    """The name of a class or a function."""

    module: str
    name: str

    @property
    def dotted(self) -> str:
        """Return "package.module.Name"."""
        return f"{self.module}.{self.name}"

    @property
    def runs_code(self) -> bool:
        """Whether calling it would do more than make an object."""
        if self.module in ("builtins", "__builtin__"):
            return self.name.partition(".")[0] not in HARMLESS
        return self.module.partition(".")[0] in RUNS_CODE and self.dotted not in KNOWN_OBJECTS


KNOWN_OBJECTS = frozenset(
    ["types.SimpleNamespace", "multiprocessing.context.DefaultContext"]
    + [f"pathlib.{kind}" for kind in ("Path", "PosixPath", "WindowsPath", "PurePath")]
    + ["pathlib.PurePosixPath", "pathlib.PureWindowsPath", "signal.Signals"]
)


@dataclass(eq=False)
class DescribedObject:
    """An object that was not created: what it would consist of."""

    kind: Any
    """Usually a `Global`."""
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    entries: list[Any] = field(default_factory=list)


class RunsCode(ValueError):
    """The pickle calls something that does more than create objects; carries its name."""


Build = Callable[[Global, tuple[Any, ...]], Any]
"""Returns what a call gives, or `NotImplemented` for a description."""


class Bounded(io.BytesIO):
    """A stream that ends after a number of bytes, even for endless text lines."""

    def __init__(self, file: BinaryIO, left: int = LARGEST) -> None:
        super().__init__()
        self.file, self.left = file, left

    def read(self, count: int | None = -1) -> bytes:
        """Return up to `count` bytes."""
        most = self.left if count is None or count < 0 else min(count, self.left)
        return self._taken(self.file.read(most))

    def readline(self, count: int | None = -1) -> bytes:
        """Return a line with its end."""
        return self._taken(self.file.readline(self.left))

    def tell(self) -> int:
        """Return the place in the file."""
        return self.file.tell()

    def _taken(self, data: bytes) -> bytes:
        self.left -= len(data)
        return data


def read_pickle(
    file: BinaryIO, build: Build, persistent: Callable[[Any], Any] = lambda _: None
) -> Any:
    """Return what the pickle at the stream's place describes; the stream then stands after it.

    Raises `RunsCode`, and `ValueError` for anything but a pickle, or more than `LARGEST` bytes of
    one.
    """
    machine = _Machine(build, persistent)
    try:
        for operation, argument, _ in pickletools.genops(Bounded(file)):
            machine.do(operation.name, argument)
            if operation.name == "STOP":
                return machine.result
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"no pickle: {error}") from error
    raise ValueError("no end")


_MARK = object()
_PUSHES = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
_NEW: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,  # of things that need not be hashable here
    "EMPTY_DICT": dict,
    "MARK": lambda: _MARK,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    """Stack and memo of one pickle."""

    def __init__(self, build: Build, persistent: Callable[[Any], Any]) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.build, self.persistent = build, persistent
        self.result: Any = None

    def do(self, name: str, argument: Any) -> None:
        if name in _PUSHES:
            self.stack.append(argument)
        elif name in _NEW:
            self.stack.append(_NEW[name]())
        elif name in _TUPLES:
            count = _TUPLES[name]
            if len(self.stack) < count:
                raise ValueError("stack")
            self.stack[-count:] = [tuple(self.stack[-count:])]
        elif name in ("BINGET", "GET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in ("BINPUT", "PUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name not in ("PROTO", "FRAME"):
            action = getattr(self, f"_{name.lower()}", None)
            if action is None:
                raise ValueError(f"operation {name}")
            action(argument)

    def _since_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("mark")
        taken = self.stack[place + 1 :]
        del self.stack[place:]
        return taken

    def _stop(self, _: Any) -> None:
        self.result = self.stack.pop()

    def _pop(self, _: Any) -> None:
        self.stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._since_mark()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    # -- containers

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _list(self, _: Any) -> None:
        self.stack.append(self._since_mark())

    _frozenset = _list

    def _dict(self, _: Any) -> None:
        taken = self._since_mark()
        self.stack.append({})
        self._set(taken)

    def _append(self, _: Any) -> None:
        self._add([self.stack.pop()])

    def _appends(self, _: Any) -> None:
        self._add(self._since_mark())

    _additems = _appends

    def _add(self, taken: list[Any]) -> None:
        target = self.stack[-1]
        (target.entries if isinstance(target, DescribedObject) else target).extend(taken)

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _setitems(self, _: Any) -> None:
        self._set(self._since_mark())

    def _set(self, taken: list[Any]) -> None:
        target = self.stack[-1]
        target = target.items if isinstance(target, DescribedObject) else target
        for key, value in zip(taken[::2], taken[1::2], strict=True):
            # Tuples may be nested without end, and everything else has no hash that means anything.
            plain = isinstance(key, str | int | float | bytes | None)
            target[key if plain else f"({type(key).__name__} {len(target)})"] = value

    # -- objects

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(Global(module, name))

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name that is none")
        self.stack.append(Global(module, name))

    def _reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self._made(function, arguments))

    _newobj = _reduce

    def _newobj_ex(self, _: Any) -> None:
        self.stack.pop()
        self._reduce(None)

    def _obj(self, _: Any) -> None:
        function, *arguments = self._since_mark()
        self.stack.append(self._made(function, tuple(arguments)))

    def _inst(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(self._made(Global(module, name), tuple(self._since_mark())))

    def _made(self, function: Any, arguments: Any) -> Any:
        if not isinstance(arguments, tuple):
            raise ValueError("arguments that are none")
        if isinstance(function, Global):
            if function.runs_code:
                raise RunsCode(function.dotted)
            made = self.build(function, arguments)
            if made is not NotImplemented:
                return made
        return DescribedObject(function, arguments)

    def _build(self, _: Any) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, DescribedObject):
            target.state = state
        # Objects already made (tensors, dictionaries) need nothing from it.

    def _persid(self, argument: str) -> None:
        self.stack.append(self.persistent(argument))

    def _binpersid(self, _: Any) -> None:
        self.stack.append(self.persistent(self.stack.pop()))
