"""A library of linear delays, so that arrivals can be computed by hand; marks for tools."""

import shutil

import pytest

from hnlpu.errors import MissingToolError
from hnlpu.tools import find_liberty

needs_sta = pytest.mark.skipif(shutil.which("sta") is None, reason="no opensta")


def has_liberty() -> bool:
    try:
        return find_liberty().is_file()
    except MissingToolError:
        return False


needs_liberty = pytest.mark.skipif(not has_liberty(), reason="no qflow-tech-osu018")

#: Delay of every gate in ns, ``FIXED + SLOPE * pF``; setup and hold; load of an input in pF.
FIXED, SLOPE, SETUP, HOLD, LOAD = 0.1, 2.0, 0.05, 0.02, 0.01


def _table(kind: str, at_low: float, at_high: float) -> str:
    values = f'"{at_low:.6f}, {at_low:.6f}", "{at_high:.6f}, {at_high:.6f}"'
    return f'{kind} (two) {{ index_1 ("0.0, 1.0"); index_2 ("0.01, 1.0"); values ({values}); }}\n'


def _arc(pin: str, sense: str, kind: str = "combinational") -> str:
    high = FIXED + SLOPE
    tables = "".join(_table(f"cell_{edge}", FIXED, high) for edge in ("rise", "fall"))
    tables += "".join(_table(f"{edge}_transition", 0.05, 1.05) for edge in ("rise", "fall"))
    return f'timing () {{ related_pin : "{pin}"; timing_type : {kind}; {sense} {tables} }}\n'


def _check(kind: str, ns: float) -> str:
    tables = "".join(
        f'{edge}_constraint (scalar) {{ values ("{ns}"); }}' for edge in ("rise", "fall")
    )
    return f'timing () {{ related_pin : "CK"; timing_type : {kind}; {tables} }}\n'


def _gate(name: str, area: int, pins: str, function: str, sense: str) -> str:
    arcs = "".join(_arc(pin, f"timing_sense : {sense};") for pin in pins)
    inputs = "".join(f"pin ({p}) {{ direction : input; capacitance : {LOAD}; }}\n" for p in pins)
    return (
        f"cell ({name}) {{ area : {area};\n{inputs}"
        f'pin (Y) {{ direction : output; function : "{function}"; {arcs} }} }}\n'
    )


LIBRARY = (
    "library (tiny) { delay_model : table_lookup; time_unit : \"1ns\"; capacitive_load_unit (1, pf);\n"
    "pulling_resistance_unit : \"1kohm\"; voltage_unit : \"1V\"; current_unit : \"1uA\";\n"
    "slew_lower_threshold_pct_rise : 20; slew_upper_threshold_pct_rise : 80;\n"
    "slew_lower_threshold_pct_fall : 20; slew_upper_threshold_pct_fall : 80;\n"
    "input_threshold_pct_rise : 50; input_threshold_pct_fall : 50;\n"
    "output_threshold_pct_rise : 50; output_threshold_pct_fall : 50; nom_voltage : 1.0;\n"
    "lu_table_template (two) { variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;\n"
    'index_1 ("0.0, 1.0"); index_2 ("0.01, 1.0"); }\n'
    + _gate("INVX", 1, "A", "(!A)", "negative_unate")
    + _gate("NANDX", 2, "AB", "(!(A*B))", "negative_unate")
    + _gate("NORX", 2, "AB", "(!(A+B))", "negative_unate")
    + _gate("BUFX", 2, "A", "A", "positive_unate")
    + _gate("BUFX2", 4, "A", "(A)", "positive_unate")
    + 'cell (DFFX) { area : 10; ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }\n'
    f"pin (CK) {{ direction : input; clock : true; capacitance : {LOAD}; }}\n"
    f"pin (D) {{ direction : input; capacitance : {LOAD}; {_check('setup_rising', SETUP)} "
    f"{_check('hold_rising', HOLD)} }}\n"
    f'pin (Q) {{ direction : output; function : "IQ"; {_arc("CK", "", "rising_edge")} }} }}\n'
    "}\n"
)  # fmt: skip
