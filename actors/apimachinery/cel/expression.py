"""Compiling and evaluating expressions, within a budget.

    expression = compile_expression("self.replicas <= self.max", {"self": schema})    # raises CelError, CelMissing
    expression.evaluate({"self": value}, budget)                                       # raises CelError, OverBudget

The library can't be interrupted while it evaluates. So what an evaluation may take is bounded before it begins: by the
size of the largest collection among its values, once for each loop inside of another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from actors.apimachinery.cel.functions import FUNCTIONS, Function
from actors.apimachinery.cel.optional_syntax import OPTIONAL_FUNCTIONS
from actors.apimachinery.cel.scan import LOOPS, REPLACED, Scan, Schema, TooNested, prepared, scan

#: Steps that the rules of one object may take, all together: about a second, were each as slow as can be.
STEPS_MAX: Final = 1_000_000
#: A result of so many items is fine, whatever the size of the values.
_RESULT_MIN: Final = 16
#: A text this long is one step for each function that reads it.
_TEXT_STEP: Final = 1_000
_SPLITTING: Final = frozenset({"split", "findAll", "getQuery"})
_TYPE_NAMES: Final = frozenset(
    {"int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type", "duration", "timestamp"}
)
_NAMESPACES: Final = frozenset({name.partition(".")[0] for name in FUNCTIONS if "." in name} | {"optional"})
#: Functions of the library itself that Kubernetes has, too.
_OWN_FUNCTIONS: Final = frozenset(
    {"size", "matches", "has", "contains", "startsWith", "endsWith", "dyn", "type", "int", "uint", "double", "bool"}
    | {"string", "bytes", "duration", "timestamp", "getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth"}
    | {"getDate", "getDayOfWeek", "getHours", "getMinutes", "getSeconds", "getMilliseconds"}
    | {"hasValue", "value", "orValue", "none", "of", "ofNonZeroValue"}
)
_KNOWN_CALLS: Final = (
    _OWN_FUNCTIONS | LOOPS | frozenset(part for name in FUNCTIONS for part in (name, name.rpartition(".")[2]))
)


class CelError(Exception):
    """An expression that doesn't compile, or whose evaluation failed; the message says why."""


class CelMissing(Exception):
    """The library isn't installed."""

    def __init__(self) -> None:
        super().__init__(
            "CEL rules need the extra 'cel' (pip install 'podchain[cel]'), which is not installed on this server"
        )


class OverBudget(Exception):
    """The rules of an object would take too long."""


@dataclass(slots=True)
class Budget:
    """Steps that are left."""

    steps: int = STEPS_MAX

    def take(self, steps: int) -> None:
        """Raises `OverBudget`."""
        self.steps -= steps
        if self.steps < 0:
            raise OverBudget


class Expression:
    """A compiled expression."""

    def __init__(self, source: str, program: Any, found: Scan) -> None:
        self.source = source
        self.found = found
        self._program = program
        self._words = len(source) // 4 + 1
        called = {REPLACED.get(name, name) for name in found.calls} | OPTIONAL_FUNCTIONS.keys()
        self._functions = {name: fn for name, fn in FUNCTIONS.items() if name.rpartition(".")[2] in called}

    def reads(self, variable: str) -> bool:
        """Whether it reads a variable."""
        return variable in self.found.names

    def evaluate(self, values: Mapping[str, Any], budget: Budget) -> Any:
        """Its value. Raises `CelError` and `OverBudget`."""
        from cel import Context

        splits = bool(self.found.calls & _SPLITTING)
        largest = max((_largest(value, splits=splits) for value in values.values()), default=1)
        steps = self._words
        if self.found.depth:
            steps += largest**self.found.depth * (self._words // 8 + 1)
        budget.take(steps * max((_longest(value) for value in values.values()), default=1))
        functions = {name: _charged(function, budget, largest) for name, function in self._functions.items()}
        try:
            result = self._program.execute(Context(variables=dict(values), functions=functions))
            budget.take(0)
            return result
        except KeyError as error:
            raise CelError(f"no such key: {error.args[0] if error.args else error}") from None
        except (ValueError, TypeError, RuntimeError, ArithmeticError, IndexError) as error:
            budget.take(0)
            raise CelError(_first_sentence(str(error))) from None


def _first_sentence(message: str) -> str:
    """What the library says, without its advice."""
    for sign in (". Check ", " CEL does not coerce"):
        message = message.partition(sign)[0]
    return message


def _largest(value: Any, *, splits: bool) -> int:
    """Size of the largest collection in a value; of texts too, when they may be split."""
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return max(len(value), 1, *(_largest(item, splits=splits) for item in inner)) if value else 1
    return len(value) + 1 if splits and isinstance(value, str) else 1


def _longest(value: Any) -> int:
    """What reading the longest text in a value costs, in steps."""
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return max((_longest(item) for item in inner), default=1)
    return len(value) // _TEXT_STEP + 1 if isinstance(value, (str, bytes)) else 1


def _charged(function: Function, budget: Budget, largest: int) -> Function:
    """A function that pays for the texts it reads and makes, and makes no list that loops weren't reckoned with."""

    def call(*args: Any) -> Any:
        budget.take(sum(len(value) for value in args if isinstance(value, str)) // _TEXT_STEP)
        result = function(*args)
        if isinstance(result, (str, bytes)):
            budget.take(len(result) // _TEXT_STEP)
        elif isinstance(result, (list, dict)) and len(result) > max(largest, _RESULT_MIN):
            raise ValueError("the result has too many items")
        return result

    return call


def compile_expression(source: str, variables: Mapping[str, Schema | None]) -> Expression:
    """Compile, and check what it names. Raises `CelError` and `CelMissing`."""
    try:
        found = scan(source, variables)
    except TooNested as error:
        raise CelError(str(error)) from None
    program = _program(prepared(source))
    problems = list(dict.fromkeys(found.undefined))
    problems += [
        f"undeclared reference to '{name}' (in container '')"
        for name in sorted(found.names - set(variables) - _TYPE_NAMES - _NAMESPACES)
    ]
    problems += [f"undeclared reference to '{name}' (in container '')" for name in sorted(found.calls - _KNOWN_CALLS)]
    if problems:
        raise CelError("; ".join(f"ERROR: <input>: {problem}" for problem in problems))
    return Expression(source, program, found)


@lru_cache(maxsize=2048)
def _program(source: str) -> Any:
    try:
        import cel
        import re2  # noqa: F401 - part of the same extra
    except ImportError:
        raise CelMissing from None
    try:
        return cel.compile(source)
    except ValueError as error:
        lines = [line for line in str(error).splitlines() if "ERROR" in line] or [str(error)]
        raise CelError(lines[0].rpartition(": ERROR:")[2].strip() or str(error)) from None
