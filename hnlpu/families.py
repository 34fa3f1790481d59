"""Families: which tensors of a checkpoint become matrices, constants, or stay off the fabric."""

from collections.abc import Iterator
from dataclasses import dataclass

from hnlpu.checkpoint import Checkpoint
from hnlpu.model import LinearShape

__all__ = ["MatrixSource", "Tensors", "find_tensors"]

_FLOATS = ("F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class MatrixSource:
    """One matrix of the model and where its weights are stored.

    Attributes
    ----------
    name : str
        Matrix name, e.g. ``model.layers.0.mlp.experts.3.down_proj``.
    role : str
        See :class:`hnlpu.model.LinearShape`.
    layer, expert : int or None
    n_rows, n_columns : int
    tensor : str
        Tensor name; for MXFP4 experts the stem of ``_blocks`` and ``_scales``.
    storage : str
        ``float`` (``[out, in]``), ``mxfp4`` (blocks and scales of all experts) or ``float_experts``
        (``[E, in, out]``, as transformers writes dequantised experts).
    """

    name: str
    role: str
    layer: int | None
    expert: int | None
    n_rows: int
    n_columns: int
    tensor: str
    storage: str


@dataclass(frozen=True, slots=True)
class Tensors:
    """Every tensor of a checkpoint, sorted by what becomes of it."""

    matrices: tuple[MatrixSource, ...]
    constants: tuple[str, ...]
    off_fabric: tuple[tuple[str, str], ...]


def find_tensors(checkpoint: Checkpoint) -> Tensors:
    """Sort the tensors of a checkpoint.

    Raises
    ------
    HnlpuError
        A tensor of the family is missing or has another shape or dtype.
    """
    matrices = tuple(_matrices(checkpoint))
    constants = tuple(_constants(checkpoint))
    used = set(constants)
    for matrix in matrices:
        mxfp4 = matrix.storage == "mxfp4"
        used |= {matrix.tensor + end for end in (("_blocks", "_scales") if mxfp4 else ("",))}
    rest = [name for name in checkpoint.tensors if name not in used]
    return Tensors(
        matrices,
        constants,
        tuple((name, f"not part of the {checkpoint.shape.family} family") for name in rest),
    )


def _matrices(checkpoint: Checkpoint) -> Iterator[MatrixSource]:
    shape = checkpoint.shape
    linears = {linear.role: linear for linear in shape.linears()}

    def plain(role: str, name: str, layer: int | None, tensor: str | None = None) -> MatrixSource:
        linear = linears[role]
        size = (linear.n_rows, linear.n_columns)
        info = checkpoint.info(tensor or f"{name}.weight", size, _FLOATS)
        return MatrixSource(name, role, layer, None, *size, info.name, "float")

    for layer in range(shape.n_layers):
        stem = f"model.layers.{layer}"
        for role in ("q", "k", "v", "o"):
            yield plain(role, f"{stem}.self_attn.{role}_proj", layer)
        if shape.is_moe:
            yield plain("router", f"{stem}.mlp.router", layer)
            for role in ("gate_up", "down"):
                yield from _experts(checkpoint, linears[role], f"{stem}.mlp.experts", layer)
        else:
            for role in ("gate", "up", "down"):
                yield plain(role, f"{stem}.mlp.{role}_proj", layer)
    tied = shape.tied_embedding and "lm_head.weight" not in checkpoint.tensors
    yield plain("unembedding", "lm_head", None, "model.embed_tokens.weight" if tied else None)


def _experts(
    checkpoint: Checkpoint, linear: LinearShape, stem: str, layer: int
) -> Iterator[MatrixSource]:
    n_experts, rows, columns = checkpoint.shape.n_experts, linear.n_rows, linear.n_columns
    tensor = f"{stem}.{linear.role}_proj"
    if f"{tensor}_blocks" in checkpoint.tensors or tensor not in checkpoint.tensors:
        n_blocks = -(-columns // 32)
        checkpoint.info(f"{tensor}_blocks", (n_experts, rows, n_blocks, 16), ("U8",))
        checkpoint.info(f"{tensor}_scales", (n_experts, rows, n_blocks), ("U8",))
        storage = "mxfp4"
    else:
        checkpoint.info(tensor, (n_experts, columns, rows), _FLOATS)
        storage = "float_experts"
    for expert in range(n_experts):
        name = f"{stem}.{expert}.{linear.role}_proj"
        yield MatrixSource(name, linear.role, layer, expert, rows, columns, tensor, storage)


def _constants(checkpoint: Checkpoint) -> Iterator[str]:
    shape = checkpoint.shape
    q_rows, kv_rows = shape.n_heads * shape.head_dim, shape.n_kv_heads * shape.head_dim
    hidden = (shape.hidden,)

    def need(name: str, size: tuple[int, ...]) -> str:
        return checkpoint.info(name, size, _FLOATS).name

    def optional(name: str, size: tuple[int, ...]) -> Iterator[str]:
        if name in checkpoint.tensors:
            yield need(name, size)

    yield need("model.embed_tokens.weight", (shape.vocab, shape.hidden))
    for layer in range(shape.n_layers):
        stem = f"model.layers.{layer}"
        yield need(f"{stem}.input_layernorm.weight", hidden)
        yield need(f"{stem}.post_attention_layernorm.weight", hidden)
        sizes = {"q": q_rows, "k": kv_rows, "v": kv_rows, "o": shape.hidden}
        for role, rows in sizes.items():
            yield from optional(f"{stem}.self_attn.{role}_proj.bias", (rows,))
        if shape.is_moe:
            experts = shape.n_experts
            yield need(f"{stem}.self_attn.sinks", (shape.n_heads,))
            yield need(f"{stem}.mlp.router.bias", (experts,))
            yield need(f"{stem}.mlp.experts.gate_up_proj_bias", (experts, 2 * shape.intermediate))
            yield need(f"{stem}.mlp.experts.down_proj_bias", (experts, shape.hidden))
        else:
            for role in ("gate", "up"):
                yield from optional(f"{stem}.mlp.{role}_proj.bias", (shape.intermediate,))
            yield from optional(f"{stem}.mlp.down_proj.bias", hidden)
    yield need("model.norm.weight", hidden)
