"""Reproduce: every number of the HNLPU paper beside the one its own formulas give, as plain rows."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hnlpu.costmodel.reproduction import paper_inputs
from hnlpu.costmodel.reproduction import reproduce as reproduced_rows

__all__ = ["list_inputs", "reproduce", "rows_as_csv"]

#: Fields of a row, in the order of JSON and CSV.
_FIRST = ("id", "published", "computed", "rel_err", "tag", "verdict", "note")


def reproduce(settings: Iterable[str] = ()) -> dict[str, Any]:
    """Compute every number of the paper in paper mode.

    Parameters
    ----------
    settings : iterable of str
        ``KEY=VALUE`` in the input's own unit (see :func:`list_inputs`); moves the rows that list KEY.

    Returns
    -------
    dict
        ``rows``: per number ``id``, ``published``, ``computed`` and ``rel_err`` (None where the paper gives no
        way to compute it), ``tag``, ``verdict``, ``note``, ``section``, ``location``, ``unit``, ``figure``,
        ``inputs`` it depends on, ``ok`` (whether it reproduces as it should; None where not expected) and
        ``contradiction``.

    Raises
    ------
    HnlpuError
        No such input, or not a value of it.
    """
    rows = [asdict(row) | {"inputs": list(row.inputs)} for row in reproduced_rows(settings)]
    return {"rows": [{key: row[key] for key in dict.fromkeys((*_FIRST, *row))} for row in rows]}


def list_inputs() -> dict[str, Any]:
    """Inputs that ``reproduce`` can change: ``key``, ``value``, ``low``, ``high``, ``unit``, ``moves`` (rows that
    depend on it), ``confidence``, ``source``."""
    moves = Counter(key for row in reproduced_rows() for key in row.inputs)
    return {
        "rows": [
            {
                "key": key,
                "value": item.value,
                "low": item.low,
                "high": item.high,
                "unit": item.unit,
                "moves": moves[key],
                "confidence": item.confidence,
                "source": item.source,
            }
            for key, item in paper_inputs().items()
        ]
    }


def rows_as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV; lists are joined by blanks."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: " ".join(v) if isinstance(v, list) else v for key, v in row.items()})
    return text.getvalue()
