"""A sheet as JavaScript: the formulas a page computes with are the ones Python computes with.

The source of every rule is read as a syntax tree and written again, expression by expression:

    area_mm2 * price_usd / chips  ->  (($area_mm2 * $price_usd) / $chips)

Both languages compute in IEEE double precision, so all but the elementary functions agree to the last bit.
What a formula may hold is what ``costmodel/sheet.py`` allows; anything else is refused, never guessed.

Contract (checked by ``tests/costmodel/test_javascript.py`` in V8): same inputs, same numbers.
"""

import ast
import inspect
from collections.abc import Mapping
from typing import NoReturn

import numpy as np

from hnlpu.costmodel.sheet import FUNCTIONS, Rule, Sheet

__all__ = ["to_javascript"]

_NUMPY: Mapping[int, str] = {id(getattr(np, name)): name for name in FUNCTIONS}
_ARITHMETIC: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
}
_LOGIC: Mapping[type[ast.operator], str] = {ast.BitAnd: "&&", ast.BitOr: "||"}
_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "===",
    ast.NotEq: "!==",
}
_CALLS: Mapping[str, str] = {"maximum": "max", "minimum": "min"}
_TWO = ("maximum", "minimum")

_HEAD = """\
function {name}(v) {{
  "use strict";
  for (const key of {inputs}) {{
    if (typeof v[key] !== "number") throw new TypeError("an input without a value: " + key);
  }}
  // As in C and numpy; JavaScript says NaN.
  const power = (x, y) => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y);
"""


def to_javascript(sheet: Sheet, *, name: str = "evaluate") -> str:
    """One self-contained JavaScript function that does what ``sheet.evaluate`` does.

    Parameters
    ----------
    sheet : Sheet
    name : str
        Of the function. It takes an object of input values in coherent units and returns an object of
        all inputs and figures; it throws where an input is missing.

    Raises
    ------
    ValueError
        A formula holds something that has no counterpart; the message names the rule and the construct.
    """
    for key in (name, *sheet.inputs, *sheet.rules):
        if not (key.isidentifier() and key.isascii()):
            raise ValueError(f"{key!r} cannot be a name in JavaScript")
    lines = [_HEAD.format(name=name, inputs=_quoted(sheet.inputs)).rstrip("\n")]
    lines += [f"  const ${key} = v.{key};" for key in sheet.inputs]
    for item in sheet.rules.values():
        lines += [f"  {line}" for line in _Formula(item).lines()]
    lines += ["  return {", "    ...v,"]
    lines += [f"    {key}: ${key}," for key in sheet.rules]
    lines += ["  };", "}", ""]
    return "\n".join(lines)


def _quoted(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


class _Formula:
    """One rule's function, statement by statement.

    Inputs and figures are ``$name``, names assigned in the formula ``_name`` in a block of their own: they
    never meet, and no Python name is a reserved word of JavaScript. ``known`` maps each Python name to its
    JavaScript name and to whether it is a condition.
    """

    def __init__(self, item: Rule) -> None:
        self.item = item
        self.known: dict[str, tuple[str, bool]] = {key: (f"${key}", False) for key in item.inputs}
        self.assigned: set[str] = set()

    def lines(self) -> list[str]:
        body = self._definition().body
        first = body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            body = body[1:]  # docstring
        if not body or not isinstance(body[-1], ast.Return) or body[-1].value is None:
            self._refuse("a formula that does not end in a return of a value")
        steps = [self._assignment(statement) for statement in body[:-1]]
        result = self._number(body[-1].value)
        target = f"${self.item.name}"
        if not steps:
            return [f"const {target} = {result};"]
        return [f"let {target};", "{", *(f"  {step}" for step in steps),
                f"  {target} = {result};", "}"]  # fmt: skip

    def _definition(self) -> ast.FunctionDef:
        if hasattr(self.item.function, "__wrapped__"):
            self._refuse("a function wrapped in another")
        try:
            source = inspect.getsource(self.item.function)
        except (OSError, TypeError) as error:
            raise ValueError(f"{self.item.name}: no source to translate ({error})") from error
        # A rule inside a function or class is indented, its comments and docstring perhaps less.
        tree = ast.parse(f"if True:\n{source}" if source[:1].isspace() else source)
        found = tree.body[0].body[0] if isinstance(tree.body[0], ast.If) else tree.body[0]
        if not isinstance(found, ast.FunctionDef):
            self._refuse("a function that is not written with def")
        if len(found.decorator_list) > 1:
            self._refuse("a second decorator")
        return found

    def _assignment(self, statement: ast.stmt) -> str:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target: ast.expr = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign):
            target = statement.target
        else:
            self._refuse(f"{_kind(statement)}, `{_text(statement)}`")
        if not isinstance(target, ast.Name) or statement.value is None:
            self._refuse(f"an assignment to something else than one name, `{_text(statement)}`")
        text, condition = self._expression(statement.value)
        start = "" if target.id in self.assigned else "let "
        self.assigned.add(target.id)
        self.known[target.id] = (f"_{target.id}", condition)
        return f"{start}_{target.id} = {text};"

    def _number(self, node: ast.expr) -> str:
        text, condition = self._expression(node)
        if condition:
            self._refuse(f"a condition where a number belongs, `{_text(node)}`; use where")
        return text

    def _condition(self, node: ast.expr) -> str:
        text, condition = self._expression(node)
        if not condition:
            self._refuse(f"a number where a condition belongs, `{_text(node)}`; compare it")
        return text

    def _expression(self, node: ast.expr) -> tuple[str, bool]:
        """JavaScript of an expression, and whether it is a condition."""
        match node:
            case ast.Constant():
                return self._constant(node.value), False
            case ast.Name():
                return self._name(node.id)
            case ast.UnaryOp(ast.USub(), operand):
                return f"(-{self._number(operand)})", False
            case ast.UnaryOp(ast.UAdd(), operand):
                return self._number(operand), False
            case ast.BinOp(left, ast.Pow(), right):
                return f"power({self._number(left)}, {self._number(right)})", False
            case ast.BinOp(left, operator, right) if type(operator) in _ARITHMETIC:
                sign = _ARITHMETIC[type(operator)]
                return f"({self._number(left)} {sign} {self._number(right)})", False
            case ast.BinOp(left, operator, right) if type(operator) in _LOGIC:
                sign = _LOGIC[type(operator)]
                return f"({self._condition(left)} {sign} {self._condition(right)})", True
            case ast.Compare():
                return self._comparison(node), True
            case ast.Call():
                return self._call(node), False
        self._refuse(f"{_kind(node)}, `{_text(node)}`")

    def _constant(self, value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(f"a constant that is not a number, `{value!r}`")
        number = float(value)
        if not np.isfinite(number):
            self._refuse(f"a constant that is not finite, `{value!r}`")
        text = repr(number).removesuffix(".0")
        return f"({text})" if number < 0 else text

    def _name(self, name: str) -> tuple[str, bool]:
        if name in self.known:
            return self.known[name]
        variables = inspect.getclosurevars(self.item.function)
        value = {**variables.globals, **variables.nonlocals}.get(name)
        if isinstance(value, int | float):
            return self._constant(value), False
        self._refuse(f"a name that is neither input, figure nor number, `{name}`")

    def _comparison(self, node: ast.Compare) -> str:
        """``a < b < c`` is ``a < b && b < c``: a formula has no side effects."""
        sides = [self._number(side) for side in (node.left, *node.comparators)]
        parts = []
        for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
            if type(operator) not in _COMPARISONS:
                self._refuse(f"a comparison with {_kind(operator)}, `{_text(node)}`")
            parts.append(f"{left} {_COMPARISONS[type(operator)]} {right}")
        return "(" + " && ".join(parts) + ")"

    def _call(self, node: ast.Call) -> str:
        function = self._numpy(node.func)
        wanted = 3 if function == "where" else 2 if function in _TWO else 1
        if node.keywords or len(node.args) != wanted:
            self._refuse(f"{function} with other than {wanted} plain arguments, `{_text(node)}`")
        if function == "where":
            test, *sides = node.args
            one, other = (self._number(side) for side in sides)
            return f"({self._condition(test)} ? {one} : {other})"
        arguments = ", ".join(self._number(argument) for argument in node.args)
        return f"Math.{_CALLS.get(function, function)}({arguments})"

    def _numpy(self, called: ast.expr) -> str:
        """The function of ``FUNCTIONS`` that a name is bound to where the formula stands."""
        if isinstance(called, ast.Name) and called.id not in self.known:
            variables = inspect.getclosurevars(self.item.function)
            found = {**variables.globals, **variables.nonlocals}.get(called.id)
            if id(found) in _NUMPY:
                return _NUMPY[id(found)]
        self._refuse(f"a call of something else than {', '.join(FUNCTIONS)}, `{_text(called)}`")

    def _refuse(self, construct: str) -> NoReturn:
        raise ValueError(f"{self.item.name}: {construct} cannot be written in JavaScript")


def _kind(node: ast.AST) -> str:
    return f"a {type(node).__name__}"


def _text(node: ast.AST) -> str:
    """Source of a construct, short enough for a message."""
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:57]}..."
