"""Plans of bases for property tests."""

from hypothesis import strategies as st

from hnlpu.codebook import E2M1
from hnlpu.taps import TapsPlan

#: One tap: FP4, INT4, ternary, a lone 5, squares. Two taps: FP6, INT8, twelve without a pattern.
MAGNITUDES = [
    E2M1.magnitudes,
    tuple(range(1, 9)),
    (1,),
    (5,),
    (1, 4, 9, 16, 25, 36),
    (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112),
    tuple(range(1, 129)),
    (11, 23, 38, 57, 64, 90, 127, 200, 301, 777, 1024, 4000),
]

#: One exponent per row, which has a geometry of its own, half of the time.
taps_plans = st.builds(
    TapsPlan,
    n_rows=st.integers(1, 5),
    n_columns=st.integers(1, 400),
    activation_bits=st.integers(2, 16),
    phases=st.integers(1, 8),
    exponent_values=st.just(1) | st.integers(2, 64),
    block=st.sampled_from([1, 4, 16, 32]),
    magnitudes=st.sampled_from(MAGNITUDES),
    track_budget=st.sampled_from([0, 5, 40]),
    cuts=st.integers(0, 2),
    adder=st.sampled_from([24, 28]),
)
