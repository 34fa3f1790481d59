"""Twin of ``hnlpu.rtl.array``: the dense product in exact integers.

Another road than the RTL's bits, phases, taps and trees: the weights as numbers, brought to the row's
unit, times the inputs, in one matrix product.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["array_outputs"]


def array_outputs(
    weights: npt.NDArray[np.float64],
    row_exponents: npt.NDArray[np.int16],
    x: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Results of an array, in units of ``2**row_exponent``.

    Parameters
    ----------
    weights : float64 array (n_rows, n_columns)
        The weights as numbers.
    row_exponents : int16 array (n_rows,)
    x : int64 array (n_vectors, n_columns)
        Signed inputs.

    Returns
    -------
    int64 array (n_vectors, n_rows)

    Raises
    ------
    ValueError
        A weight that is no whole number of row units.
    """
    units = np.ldexp(weights, -row_exponents.astype(np.int64)[:, None])
    integers = np.rint(units).astype(np.int64)
    if not np.array_equal(units, integers):
        row, column = np.argwhere(units != integers)[0]
        raise ValueError(
            f"weight [{row}, {column}] = {weights[row, column]} is no multiple of "
            f"2**{row_exponents[row]}, the unit of its row"
        )
    return x @ integers.T
