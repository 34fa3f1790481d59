"""Numerics: every width, fraction and table size of the chip, in one place.

What lies on a grid with ``f`` fraction bits is an integer that stands for ``integer / 2**f``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from hnlpu.errors import HnlpuError

__all__ = [
    "ARRAY_INPUTS",
    "INPUT_OF_ROLE",
    "Numerics",
    "change_numerics",
    "parse_activation_bits",
]

#: Vectors that enter arrays, and the roles (``hnlpu.model.LinearShape``) of the arrays behind each.
ARRAY_INPUTS: dict[str, tuple[str, ...]] = {
    "qkv": ("q", "k", "v"),
    "o": ("o",),
    "mlp": ("router", "gate_up", "gate", "up"),
    "down": ("down",),
    "unembedding": ("unembedding",),
}
INPUT_OF_ROLE = {role: name for name, roles in ARRAY_INPUTS.items() for role in roles}

_RANGES = {
    "activation_bits": (2, 16),
    "kv_bits": (2, 16),
    "residual_bits": (12, 32),
    "residual_fraction": (0, 24),
    "value_bits": (10, 24),
    "value_fraction": (2, 16),
    "gamma_bits": (6, 18),
    "rsqrt_table_bits": (2, 12),
    "score_bits": (12, 28),
    "exp_table_bits": (2, 12),
    "sigmoid_table_bits": (3, 14),
    "sigmoid_bits": (6, 16),
    "rope_table_bits": (2, 14),
    "rope_bits": (6, 16),
    "routing_bits": (6, 15),
}


@dataclass(frozen=True, slots=True)
class Numerics:
    """Widths of everything between the arrays.

    The defaults come from ``docs/numerics.md``, which measures what each of them costs.

    Attributes
    ----------
    activation_bits : int
        Width A of the integers that enter an array.
    activation_overrides : tuple of (input, bits)
        Inputs (``ARRAY_INPUTS``) with another width.
    kv_bits : int
        Integers of the KV cache; one power-of-two exponent per head and position.
    residual_bits, residual_fraction : int
        The residual stream and what is added to it.
    value_bits, value_fraction : int
        Results of arrays, rotated queries and keys, attention outputs, logits. A normalised vector has
        these bits too, and as many fraction bits as its largest gain allows.
    gamma_bits : int
        Gains of a norm, sign included.
    rsqrt_table_bits : int
        log2 of the entries of the reciprocal square root's table (one Newton step follows).
    score_bits : int
        Attention scores and router logits in units of octaves (log2), ``exp_table_bits`` of fraction.
    exp_table_bits : int
        log2 of the entries of the table of ``2**-x``, which are 16 bits wide.
    sigmoid_table_bits, sigmoid_bits : int
        log2 of the segments over -8 to 8, and fraction bits of the sigmoid.
    rope_table_bits, rope_bits : int
        log2 of the entries of a quarter wave, and fraction bits of sine and cosine.
    routing_bits : int
        Fraction bits of a routing weight.
    """

    activation_bits: int = 8
    activation_overrides: tuple[tuple[str, int], ...] = ()
    kv_bits: int = 8
    residual_bits: int = 20
    residual_fraction: int = 8
    value_bits: int = 18
    value_fraction: int = 8
    gamma_bits: int = 16
    rsqrt_table_bits: int = 6
    score_bits: int = 20
    exp_table_bits: int = 8
    sigmoid_table_bits: int = 8
    sigmoid_bits: int = 12
    rope_table_bits: int = 10
    rope_bits: int = 12
    routing_bits: int = 12

    def __post_init__(self) -> None:
        overrides = tuple(
            sorted((str(name), int(bits)) for name, bits in self.activation_overrides)
        )
        object.__setattr__(self, "activation_overrides", overrides)
        for name, (low, high) in _RANGES.items():
            _check(name, getattr(self, name), low, high)
        for name, bits in overrides:
            if name not in ARRAY_INPUTS:
                raise HnlpuError(
                    "no such array input",
                    where="activation bits",
                    got=name,
                    do=f"choose from {', '.join(ARRAY_INPUTS)}",
                )
            _check(f"activation_bits of {name}", bits, *_RANGES["activation_bits"])
        for fraction, width in (
            ("residual_fraction", "residual_bits"),
            ("value_fraction", "value_bits"),
        ):
            _check(fraction, getattr(self, fraction), 0, getattr(self, width) - 2)
        _check("sigmoid_table_bits", self.sigmoid_table_bits, 3, self.value_fraction + 4)
        most = min(self.residual_bits, self.gamma_bits + 16)
        _check("value_bits", self.value_bits, 10, most)

    def input_bits(self, name: str) -> int:
        """Width of the integers of array input ``name`` (a key of ``ARRAY_INPUTS``)."""
        return dict(self.activation_overrides).get(name, self.activation_bits)

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {**asdict(self), "activation_overrides": dict(self.activation_overrides)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Numerics":
        """The inverse of :meth:`as_dict`."""
        known = {field.name for field in fields(cls)}
        given = {key: value for key, value in values.items() if key in known}
        given["activation_overrides"] = tuple(dict(given.get("activation_overrides", {})).items())
        return cls(**given)


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise HnlpuError(
            f"{name} is out of range",
            where="numerics",
            got=str(value),
            do=f"choose it from {low} to {high}",
        )


def parse_activation_bits(text: str) -> tuple[int, tuple[tuple[str, int], ...]]:
    """``8`` or ``8,down=10,o=9``: the common width, and inputs with another.

    Raises
    ------
    HnlpuError
        Not of this form.
    """
    common, *others = text.split(",")
    try:
        pairs = [other.split("=") for other in others]
        return int(common), tuple((name.strip(), int(bits)) for name, bits in pairs)
    except ValueError:
        raise HnlpuError(
            "not activation bits",
            where="--activation-bits",
            got=text,
            do="give a width, and inputs with another: 8,down=10",
        ) from None


def change_numerics(
    numerics: Numerics,
    *,
    activation_bits: str | None = None,
    kv_bits: int | None = None,
    settings: Sequence[str] = (),
) -> Numerics:
    """Numerics as options of the command line change them.

    Parameters
    ----------
    numerics : Numerics
    activation_bits : str, optional
        ``8`` or ``8,down=10``.
    kv_bits : int, optional
    settings : sequence of str
        ``FIELD=VALUE``, of whole numbers.

    Raises
    ------
    HnlpuError
        No such field, or a value that is no whole number or out of range.
    """
    changes: dict[str, Any] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            if name not in _RANGES:
                raise ValueError
            changes[name] = int(value)
        except ValueError:
            raise HnlpuError(
                "not a setting of the numerics",
                where="--set",
                got=setting,
                do=f"give FIELD=NUMBER with one of {', '.join(_RANGES)}",
            ) from None
    if kv_bits is not None:
        changes["kv_bits"] = kv_bits
    if activation_bits is not None:
        common, overrides = parse_activation_bits(activation_bits)
        changes |= {"activation_bits": common, "activation_overrides": overrides}
    return replace(numerics, **changes)
