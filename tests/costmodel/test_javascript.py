"""The transliterated sheet computes in V8 what the sheet computes in Python."""

import json
import linecache
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy import ceil, exp, expm1, floor, log, log1p, maximum, minimum, sqrt, where
from numpy import maximum as larger
from py_mini_racer import MiniRacer

from hnlpu.costmodel.javascript import to_javascript
from hnlpu.costmodel.sheet import Rule, Sheet, rule

HALF = 0.5  # a module constant, for `folded`
VALUES = st.floats(1e-3, 1e6)


@rule("mm2")
def die_area(gate_area, wire_area, sram_bits, bit_area):
    """larger of gates and wires, and the SRAM"""
    # A comment, which is not part of the formula.
    logic = maximum(
        gate_area,  # one over the other
        wire_area,
    )
    memory: float = sram_bits * bit_area
    return logic + memory


@rule("1", source="Murphy", tag="assumed")
def yield_murphy(die_area, defects):
    """((1 - e^-AD) / AD)^2"""
    faults = die_area * defects / 1e9
    return (-expm1(-faults) / faults) ** 2


@rule("chip")
def chips(gate_area, reticle):
    """whole chips, at least one"""
    return larger(1, ceil(gate_area / reticle))


@rule("1")
def folded(gate_area, wire_area, reticle):
    """names that are reserved words of JavaScript, reassigned names, chained comparisons"""
    var = minimum(gate_area, minimum(wire_area, reticle))
    this = +var * HALF
    var = this + log1p(var) + sqrt(this) + floor(var)
    reticle = exp(-reticle / 1e6) - -1.5e-3
    between = (wire_area / 2 <= gate_area < wire_area) | (this > 1) & (this != 2)
    return where(between, var**1.5, log(var) ** 2) / reticle


@rule("1")
def last(yield_murphy, chips, folded):
    """needs the others, and is named after nothing in JavaScript"""
    return folded / (yield_murphy * chips)


RULES = (last, die_area, yield_murphy, chips, folded)


def javascript(sheet: Sheet) -> Callable[[Mapping[str, float]], dict[str, float]]:
    """``sheet.evaluate`` in V8; numbers that JSON lacks come as text."""
    engine = MiniRacer()
    engine.eval(to_javascript(sheet))

    def evaluate(values: Mapping[str, float]) -> dict[str, float]:
        plain = {name: float(value) for name, value in values.items()}
        text = engine.eval(
            f"JSON.stringify(evaluate({json.dumps(plain)}),"
            " (k, x) => typeof x === 'number' ? (Object.is(x, -0) ? '-0' : String(x)) : x)"
        )
        names = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}
        return {
            key: names[value] if value in names else float(value)
            for key, value in json.loads(text).items()
        }

    return evaluate


SHEET = Sheet(RULES)
IN_V8 = javascript(SHEET)


@given(st.fixed_dictionaries({name: VALUES for name in SHEET.inputs}))
def test_same_numbers(values):
    python = SHEET.evaluate({name: np.float64(value) for name, value in values.items()})
    v8 = IN_V8(values)
    assert v8.keys() == python.keys()
    for name, value in python.items():
        assert v8[name] == pytest.approx(float(value), rel=1e-12, abs=0), name


def test_a_changed_formula_is_found():
    @rule("chip", name="chips")
    def mutant(gate_area, reticle):
        """one chip too many at a full reticle"""
        return larger(1, floor(gate_area / reticle) + 1)

    values = dict.fromkeys(SHEET.inputs, 2.0)
    assert javascript(SHEET.replaced([mutant]))(values)["chips"] != SHEET.evaluate(values)["chips"]


# Random formulas of the operations that IEEE arithmetic rounds exactly: equal to the last bit.

_numbers = st.one_of(
    st.sampled_from("abc"),
    st.integers(0, 9).map(str),
    st.floats(-1e3, 1e3).map(lambda x: f"({x!r})"),
)


def _conditions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(("<", "<=", ">", ">=", "==", "!="))
    pair = st.builds("({} {} {})".format, inner, signs, inner)
    chain = st.builds("({} {} {} {} {})".format, inner, signs, inner, signs, inner)
    one = pair | chain
    return one | st.builds("({} {} {})".format, one, st.sampled_from("&|"), one)


def _formulas(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("{} {} {}".format, inner, st.sampled_from("+-"), inner).map("({})".format),
        st.builds("(-{})".format, inner),
        st.builds("{}({})".format, st.sampled_from(("ceil", "floor", "sqrt")), inner),
        st.builds("{}({}, {})".format, st.sampled_from(("maximum", "minimum")), inner, inner),
        st.builds("where({}, {}, {})".format, _conditions(inner), inner, inner),
    )


def written(body: str, inputs: str = "a, b, c", head: str = "") -> Rule:
    """A rule from source text, as if a module held it."""
    source = f'@rule("1")\n{head}def figure({inputs}):\n    """text"""\n{body}\n'
    file = "<formula>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names: dict[str, Any] = {
        **vars(np),
        "rule": rule,
        "np": np,
        "HALF": HALF,
        "cached": lambda f: f,
    }
    exec(compile(source, file, "exec"), names)  # noqa: S102
    found: Rule = names["figure"]
    return found


@settings(deadline=None)
@given(
    st.recursive(_numbers, _formulas, max_leaves=12),
    st.fixed_dictionaries({name: st.floats(-1e6, 1e6) for name in "abc"}),
)
def test_random_formulas_agree_to_the_last_bit(formula, values):
    sheet = Sheet([written(f"    return {formula}")])
    try:
        python = sheet.evaluate({key: np.float64(value) for key, value in values.items()})["figure"]
    except ZeroDivisionError:  # of constants: Python raises before numpy is asked
        reject()
    v8 = javascript(sheet)(values)["figure"]
    assert v8 == python or (math.isnan(v8) and math.isnan(python))


@pytest.mark.parametrize(
    "x, y", [(1, math.inf), (-1, math.inf), (0, 0), (2, 0.5), (-2, 3), (0, -1)]
)
def test_powers_as_in_c(x, y):
    sheet = Sheet([written("    return a ** (y / z)", "a, y, z")])
    scale = (2.0, 0.0) if math.isinf(y) else (float(y), 1.0)
    python = sheet.evaluate(
        {"a": np.float64(x), "y": np.float64(scale[0]), "z": np.float64(scale[1])}
    )
    v8 = javascript(sheet)({"a": x, "y": scale[0], "z": scale[1]})
    assert v8["figure"] == python["figure"]


@pytest.mark.parametrize(
    "body, construct",
    [
        ("    return a // b", "a BinOp, `a // b`"),
        ("    return a % b", "a BinOp, `a % b`"),
        ("    return a if b > c else b", "a IfExp"),
        ("    return abs(a)", "a call of something else than ceil"),
        ("    return np.sqrt(a)", "a call of something else than ceil"),
        ("    return maximum(a, b, c)", "maximum with other than 2 plain arguments"),
        ("    return where(a > b, c)", "where with other than 3 plain arguments"),
        ("    return where(a, b, c)", "a number where a condition belongs, `a`"),
        ("    return where(a & b, b, c)", "a number where a condition belongs, `a`"),
        ("    return a > b", "a condition where a number belongs"),
        ("    return (a > b) * c", "a condition where a number belongs"),
        ("    return (a > b) and c", "a BoolOp"),
        ("    return a.real", "a Attribute"),
        ("    return [a][0]", "a Subscript"),
        ("    return True", "a constant that is not a number, `True`"),
        ("    return 1e999 + a", "a constant that is not finite"),
        ("    return a + unknown", "neither input, figure nor number, `unknown`"),
        ("    return where(a in (b, c), b, c)", "a Tuple"),
        ("    a += b\n    return a", "a AugAssign, `a += b`"),
        ("    a, b = b, c\n    return a", "an assignment to something else than one name"),
        ("    if a > b:\n        return c\n    return b", "a If"),
        ("    for _ in a:\n        pass\n    return b", "a For"),
        ("    d = a", "does not end in a return"),
        ("    return", "does not end in a return"),
    ],
)
def test_refuses_other_constructs(body, construct):
    with pytest.raises(ValueError, match="^figure: ") as error:
        to_javascript(Sheet([written(body)]))
    assert construct in str(error.value)


def test_refuses_a_second_decorator_and_other_functions():
    with pytest.raises(ValueError, match="figure: a second decorator"):
        to_javascript(Sheet([written("    return a", head="@cached\n")]))
    twin = Rule("twin", lambda a: a, "1", ("a",), "text")
    with pytest.raises(ValueError, match="twin: a function that is not written with def"):
        to_javascript(Sheet([twin]))
    built = Rule("built", math.sqrt, "1", ("a",), "text")
    with pytest.raises(ValueError, match="built: no source"):
        to_javascript(Sheet([built]))


def test_refuses_a_name_that_javascript_lacks():
    odd = Rule("die.area", die_area.function, "1", die_area.inputs, "text")
    with pytest.raises(ValueError, match=r"'die.area' cannot be a name"):
        to_javascript(Sheet([odd]))


def test_a_missing_input_throws():
    engine = MiniRacer()
    engine.eval(to_javascript(SHEET, name="compute"))
    assert "reticle" in engine.eval(
        "(() => { try { compute({gate_area: 1, wire_area: 1, sram_bits: 1, bit_area: 1, defects: 1}) }"
        " catch (e) { return e.message } })()"
    )
