"""Train a tiny gpt-oss model that adds, on MXFP4 weights, and write it as a Hugging Face folder.

The language: a text is a newline (the start token) followed by problems, one per line,

    37+45=82
    5+9=14

character by character, numbers without leading zeros, both operands between 0 and 99. Given the
text up to ``=`` the model has to write the sum and the newline after it. There are 10,000 such
problems (a, b). The 100 with two one-digit operands are all used in training, being too few to
generalise from; of the others 10 %, always together with (b, a), are held out: training never sees
them.

The model: ``GptOssForCausalLM`` with hidden size 64, two layers (a sliding window of 16 tokens, then
full attention), four query and two key/value heads of 16 with attention sinks and YaRN rope, and
four experts of size 32 of which two work on each token. A problem takes up to ten tokens, so the
window matters as soon as another problem precedes.

Two stages: full precision first, then quantisation-aware training with a straight-through gradient,
where every linear weight (query, key, value, output, router, experts, head) is used on the MXFP4
grid {0, .5, 1, 1.5, 2, 3, 4, 6} x 2^e and everything else in bfloat16. The files hold exactly the
numbers the second stage trained: experts as MXFP4 blocks and scales, the rest as BF16, where the
linear weights lie on the grid too, so that quantising them again loses nothing. The two blocks of a
row share their exponent: MXFP4 allows it, and hardwired rows are then simplest.

At the end the written files are read back and all 10,000 sums are tested, alone and with one and
three problems before them. A sum counts if the whole answer, newline included, is what greedy
decoding writes.

To try it:

    python train_adder.py -o adder                  # train and test, in eight minutes
    python train_adder.py -o adder --test-only      # test again what is there
    python train_adder.py -o rough --steps 300 --mxfp4-steps 100   # see it work, in a minute

Needs torch, numpy and safetensors. The same seed, sizes, threads and torch version give the same
files.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional

__all__ = ["decode_mxfp4", "forward", "main", "read_weights"]

N_LAYERS, HIDDEN, INTERMEDIATE = 2, 64, 32
N_EXPERTS, TOP_K = 4, 2
N_HEADS, N_KV_HEADS, HEAD_DIM = 4, 2, 16
WINDOW = 16
SWIGLU_LIMIT, SWIGLU_ALPHA = 7.0, 1.702
NORM_EPSILON = 1e-5
ROPE_THETA, ROPE_FACTOR, ROPE_CONTEXT = 1000.0, 4.0, 64
BETA_FAST, BETA_SLOW = 32.0, 1.0

#: Token = position in this string. The last three characters only fill the vocabulary up to 16.
VOCABULARY = "\n0123456789+= -*"
NEWLINE, EQUALS = VOCABULARY.index("\n"), VOCABULARY.index("=")

N_OPERANDS = 100
HELD_OUT_SHARE = 0.1
SHORT_FREQUENCY = 4.0  # one-digit operands are few and the hardest to generalise to: show them more
TEXT_TOKENS = 40  # length of a training text
TEST_BATCH = 1000  # texts tested at a time
BALANCE_WEIGHT = 0.01  # of the loss term that keeps all experts in use

BLOCK = 32  # inputs that share an exponent in MXFP4
E2M1 = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
E2M1_MIDPOINTS = (E2M1[1:] + E2M1[:-1]) / 2
E2M1_MAX_EXPONENT = 2  # 4 and 6 lie in [2^2, 2^3)
SCALE_BIAS = 127
SMALLEST_BLOCK = 2.0**-20  # a block of zeros is scaled as if it held this

Weights = dict[str, Tensor]


# --- the language -------------------------------------------------------------------------------


def encode_problem(index: int) -> list[int]:
    """Tokens of problem ``index`` = 100 a + b, from its first digit to its newline."""
    a, b = divmod(index, N_OPERANDS)
    return [VOCABULARY.index(character) for character in f"{a}+{b}={a + b}\n"]


PROBLEMS = [encode_problem(index) for index in range(N_OPERANDS**2)]


def split_problems(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Problem indices for training and those held out; (a, b) and (b, a) stay together."""
    pairs = [(a, b) for a in range(N_OPERANDS) for b in range(max(a, 10), N_OPERANDS)]
    chosen = rng.choice(len(pairs), round(HELD_OUT_SHARE * len(pairs)), replace=False)
    held_out = np.zeros((N_OPERANDS, N_OPERANDS), dtype=bool)
    for a, b in (pairs[i] for i in chosen):
        held_out[a, b] = held_out[b, a] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def answer_mask(ids: Tensor) -> Tensor:
    """Which tokens belong to an answer: after ``=``, up to and including the newline."""
    # A token answers iff, before it, the text has as many "=" as newlines (the first one included).
    equals = (ids == EQUALS).long().cumsum(1) - (ids == EQUALS).long()
    newlines = (ids == NEWLINE).long().cumsum(1) - (ids == NEWLINE).long()
    return (equals == newlines) & (newlines > 0)


def sample_texts(problems: np.ndarray, n_texts: int, rng: np.random.Generator) -> Tensor:
    """Training texts: problems in a row, cut after ``TEXT_TOKENS`` tokens."""
    frequency = np.where(problems // N_OPERANDS < 10, SHORT_FREQUENCY, 1.0)
    frequency *= np.where(problems % N_OPERANDS < 10, SHORT_FREQUENCY, 1.0)
    n_problems = math.ceil(TEXT_TOKENS / min(map(len, PROBLEMS)))
    picks = rng.choice(problems, (n_texts, n_problems), p=frequency / frequency.sum())
    texts = [sum((PROBLEMS[i] for i in row), start=[NEWLINE])[:TEXT_TOKENS] for row in picks]
    return torch.tensor(texts)


# --- the model ----------------------------------------------------------------------------------


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Names (as in the checkpoint, experts as plain matrices) and shapes of all weights."""
    n_q, n_kv, vocabulary = N_HEADS * HEAD_DIM, N_KV_HEADS * HEAD_DIM, len(VOCABULARY)
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (vocabulary, HIDDEN),
    }
    for layer in range(N_LAYERS):
        prefix = f"model.layers.{layer}."
        shapes[prefix + "input_layernorm.weight"] = (HIDDEN,)
        shapes[prefix + "post_attention_layernorm.weight"] = (HIDDEN,)
        shapes[prefix + "self_attn.sinks"] = (N_HEADS,)
        for name, n_out, n_in in (
            ("self_attn.q_proj", n_q, HIDDEN),
            ("self_attn.k_proj", n_kv, HIDDEN),
            ("self_attn.v_proj", n_kv, HIDDEN),
            ("self_attn.o_proj", HIDDEN, n_q),
            ("mlp.router", N_EXPERTS, HIDDEN),
        ):
            shapes[f"{prefix}{name}.weight"] = (n_out, n_in)
            shapes[f"{prefix}{name}.bias"] = (n_out,)
        for name, n_out, n_in in (
            ("gate_up_proj", 2 * INTERMEDIATE, HIDDEN),
            ("down_proj", HIDDEN, INTERMEDIATE),
        ):
            shapes[f"{prefix}mlp.experts.{name}"] = (N_EXPERTS, n_out, n_in)
            shapes[f"{prefix}mlp.experts.{name}_bias"] = (N_EXPERTS, n_out)
    return shapes


def is_expert(name: str) -> bool:
    """Whether a weight is an expert matrix, stored as MXFP4 blocks and scales."""
    return name.endswith(("experts.gate_up_proj", "experts.down_proj"))


def is_linear(name: str) -> bool:
    """Whether a weight is a matrix that belongs on the MXFP4 grid."""
    return is_expert(name) or name.endswith(
        ("_proj.weight", "router.weight", "lm_head.weight"),
    )


def initial_weights() -> Weights:
    """Random matrices, unit norm scales, zero biases and sinks (torch's seed decides)."""
    weights: Weights = {}
    for name, shape in weight_shapes().items():
        if is_linear(name):
            weights[name] = torch.randn(shape) / math.sqrt(shape[-1])
        elif name == "model.embed_tokens.weight":
            weights[name] = torch.randn(shape)
        elif "norm" in name:
            weights[name] = torch.ones(shape)
        else:
            weights[name] = torch.zeros(shape)
    return weights


def rope_tables(n_tokens: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the YaRN rope, (tokens, head_dim / 2), attention scale included."""

    def correction_dim(n_rotations: float) -> float:
        turns = ROPE_CONTEXT / (2 * math.pi * n_rotations)
        return HEAD_DIM * math.log(turns) / (2 * math.log(ROPE_THETA))

    low = max(correction_dim(BETA_FAST), 0.0)
    high = min(correction_dim(BETA_SLOW), HEAD_DIM - 1.0)
    index = torch.arange(HEAD_DIM // 2, dtype=torch.float32)
    ramp = ((index - low) / (high - low)).clamp(0, 1)
    frequency = ROPE_THETA ** (-2 * index / HEAD_DIM)
    frequency = frequency * (1 - ramp) + frequency / ROPE_FACTOR * ramp
    angle = torch.arange(n_tokens, dtype=torch.float32)[:, None] * frequency
    scale = 0.1 * math.log(ROPE_FACTOR) + 1
    return angle.cos() * scale, angle.sin() * scale


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (i, i + head_dim / 2) of ``x``: (..., tokens, head_dim)."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def rms_norm(x: Tensor, gain: Tensor) -> Tensor:
    """Scale each vector to unit root mean square, then each channel by ``gain``."""
    return gain * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + NORM_EPSILON)


def attention(x: Tensor, weights: Weights, prefix: str, window: int | None) -> Tensor:
    """Causal attention with one sink per query head; the last ``window`` tokens are visible."""
    n_texts, n_tokens, _ = x.shape

    def project(name: str, n_heads: int) -> Tensor:
        y = functional.linear(x, weights[f"{prefix}{name}.weight"], weights[f"{prefix}{name}.bias"])
        return y.view(n_texts, n_tokens, n_heads, HEAD_DIM).transpose(1, 2)

    cos, sin = rope_tables(n_tokens)
    group = N_HEADS // N_KV_HEADS
    q = rotate(project("q_proj", N_HEADS), cos, sin)
    k = rotate(project("k_proj", N_KV_HEADS), cos, sin).repeat_interleave(group, dim=1)
    v = project("v_proj", N_KV_HEADS).repeat_interleave(group, dim=1)

    age = torch.arange(n_tokens)[:, None] - torch.arange(n_tokens)
    visible = (age >= 0) & (age < (window or n_tokens))
    scores = (q @ k.transpose(2, 3) * HEAD_DIM**-0.5).masked_fill(~visible, -math.inf)
    sinks = weights[prefix + "sinks"].view(1, -1, 1, 1).expand(n_texts, -1, n_tokens, 1)
    shares = torch.cat((scores, sinks), dim=-1).softmax(-1)[..., :-1]
    y = (shares @ v).transpose(1, 2).reshape(n_texts, n_tokens, -1)
    return functional.linear(y, weights[prefix + "o_proj.weight"], weights[prefix + "o_proj.bias"])


def route(x: Tensor, weights: Weights, prefix: str) -> tuple[Tensor, Tensor]:
    """Weight of each expert for each token (zero unless chosen), and the balance loss."""
    logits = functional.linear(
        x, weights[prefix + "router.weight"], weights[prefix + "router.bias"]
    )
    top, chosen = logits.topk(TOP_K, dim=-1)
    shares = torch.zeros_like(logits).scatter(-1, chosen, top.softmax(-1))
    load = (shares.detach() > 0).float().mean((0, 1)) / TOP_K
    balance = N_EXPERTS * (load * logits.softmax(-1).mean((0, 1))).sum()
    return shares, balance


def mixture(x: Tensor, weights: Weights, prefix: str) -> tuple[Tensor, Tensor]:
    """Mixture of experts, and its balance loss. All experts run; routing masks the idle ones."""
    shares, balance = route(x, weights, prefix)
    experts = prefix + "experts."
    gate_up = functional.linear(
        x,
        weights[experts + "gate_up_proj"].flatten(0, 1),
        weights[experts + "gate_up_proj_bias"].flatten(),
    )
    gate = gate_up[..., 0::2].clamp(max=SWIGLU_LIMIT)
    up = gate_up[..., 1::2].clamp(-SWIGLU_LIMIT, SWIGLU_LIMIT)
    active = (up + 1) * gate * torch.sigmoid(SWIGLU_ALPHA * gate)
    weighted = active * shares.repeat_interleave(INTERMEDIATE, dim=-1)
    down = weights[experts + "down_proj"].transpose(1, 2).flatten(0, 1)
    return weighted @ down + shares @ weights[experts + "down_proj_bias"], balance


def forward(weights: Weights, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of the next token, (texts, tokens, vocabulary), and the summed balance loss."""
    x = weights["model.embed_tokens.weight"][ids]
    balance = torch.zeros(())
    for layer in range(N_LAYERS):
        prefix = f"model.layers.{layer}."
        normed = rms_norm(x, weights[prefix + "input_layernorm.weight"])
        window = WINDOW if layer % 2 == 0 else None
        x = x + attention(normed, weights, prefix + "self_attn.", window)
        normed = rms_norm(x, weights[prefix + "post_attention_layernorm.weight"])
        y, layer_balance = mixture(normed, weights, prefix + "mlp.")
        x, balance = x + y, balance + layer_balance
    normed = rms_norm(x, weights["model.norm.weight"])
    return functional.linear(normed, weights["lm_head.weight"]), balance


# --- MXFP4 --------------------------------------------------------------------------------------


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest MXFP4 weights, as multiples of 2^e, and the exponents e, (..., rows, 1).

    The blocks of a row get one exponent: the one its smallest block needs, but at most one less
    than its largest block needs. What then exceeds the grid saturates at 6 x 2^e.
    """
    blocks = weight.reshape(*weight.shape[:-1], -1, BLOCK)
    largest = blocks.abs().amax(-1).clamp(min=SMALLEST_BLOCK)
    exponents = torch.frexp(largest).exponent - 1 - E2M1_MAX_EXPONENT
    exponent = torch.maximum(exponents.amin(-1, keepdim=True), exponents.amax(-1, keepdim=True) - 1)
    nearest = E2M1[torch.bucketize((weight * 2.0**-exponent).abs(), E2M1_MIDPOINTS)]
    return nearest.copysign(weight), exponent


def encode_mxfp4(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Blocks (..., rows, inputs / 32, 16) and scales (..., rows, inputs / 32) of a matrix."""
    multiples, exponent = quantise(weight)
    codes = torch.searchsorted(E2M1, multiples.abs().contiguous()) + 8 * (multiples < 0)
    pairs = codes.reshape(*codes.shape[:-1], -1, BLOCK // 2, 2)
    blocks = (pairs[..., 0] | pairs[..., 1] << 4).to(torch.uint8)
    scales = (exponent + SCALE_BIAS).expand(blocks.shape[:-1]).to(torch.uint8)
    return blocks.contiguous(), scales.contiguous()


def decode_mxfp4(blocks: Tensor, scales: Tensor) -> Tensor:
    """Return the matrix (..., rows, inputs) behind MXFP4 blocks and scales."""
    codes = torch.stack((blocks & 15, blocks >> 4), dim=-1).flatten(-2).long()
    values = torch.cat((E2M1, -E2M1))[codes]
    return (values * 2.0 ** (scales[..., None].float() - SCALE_BIAS)).flatten(-2)


def stored_values(weights: Weights) -> Weights:
    """Round as the checkpoint will: linear weights to the MXFP4 grid, the rest to bfloat16."""
    stored = {}
    for name, weight in weights.items():
        if is_linear(name):
            multiples, exponent = quantise(weight)
            stored[name] = multiples * 2.0**exponent
        else:
            stored[name] = weight.bfloat16().float()
    return stored


def straight_through(weights: Weights) -> Weights:
    """Use the stored values going forward, the gradient of the weights themselves going back."""
    stored = stored_values({name: weight.detach() for name, weight in weights.items()})
    return {name: weight + (stored[name] - weight.detach()) for name, weight in weights.items()}


# --- training -----------------------------------------------------------------------------------


def score_answers(weights: Weights, ids: Tensor) -> tuple[Tensor, Tensor, float]:
    """Cross entropy of the answers, balance loss, and share of answer tokens predicted right."""
    logits, balance = forward(weights, ids[:, :-1])
    mask = answer_mask(ids)[:, 1:]
    predicted, wanted = logits[mask], ids[:, 1:][mask]
    hits = (predicted.argmax(-1) == wanted).float().mean().item()
    return functional.cross_entropy(predicted, wanted), balance, hits


def learning_rate_factor(step: int, n_steps: int) -> float:
    """Linear warm-up over the first 5 %, then half a cosine down to zero."""
    warm_up = max(1, n_steps // 20)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (n_steps - warm_up)))


def train(
    weights: Weights,
    problems: np.ndarray,
    rng: np.random.Generator,
    *,
    n_steps: int,
    n_texts: int,
    learning_rate: float,
    quantised: bool,
) -> None:
    """Run one stage of training, in place."""
    for weight in weights.values():
        weight.requires_grad_()
    groups = [
        {"params": [w for name, w in weights.items() if is_linear(name)], "weight_decay": 0.1},
        {"params": [w for name, w in weights.items() if not is_linear(name)], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate_factor(step, n_steps)
    )
    stage, started = ("MXFP4" if quantised else "float"), time.monotonic()
    for step in range(1, n_steps + 1):
        ids = sample_texts(problems, n_texts, rng)
        loss, balance, hits = score_answers(
            straight_through(weights) if quantised else weights, ids
        )
        optimiser.zero_grad()
        torch.autograd.backward(loss + BALANCE_WEIGHT * balance)
        torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == n_steps:
            seconds = time.monotonic() - started
            print(
                f"{stage:5} step {step:5}/{n_steps}  loss {loss.item():.4f}  "
                f"answer tokens {hits:8.3%}  {seconds:5.0f} s, "
                f"{seconds / step * (n_steps - step):5.0f} s to go",
                file=sys.stderr,
                flush=True,
            )


# --- the files ----------------------------------------------------------------------------------


def model_config() -> dict[str, Any]:
    """``config.json`` of the model."""
    return {
        "architectures": ["GptOssForCausalLM"],
        "attention_bias": True,
        "attention_dropout": 0.0,
        "bos_token_id": NEWLINE,
        "eos_token_id": NEWLINE,
        "experts_per_token": TOP_K,
        "head_dim": HEAD_DIM,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "initial_context_length": ROPE_CONTEXT,
        "initializer_range": 0.02,
        "intermediate_size": INTERMEDIATE,
        "layer_types": ["sliding_attention", "full_attention"],
        "max_position_embeddings": int(ROPE_CONTEXT * ROPE_FACTOR),
        "model_type": "gpt_oss",
        "num_attention_heads": N_HEADS,
        "num_experts_per_tok": TOP_K,
        "num_hidden_layers": N_LAYERS,
        "num_key_value_heads": N_KV_HEADS,
        "num_local_experts": N_EXPERTS,
        "output_router_logits": False,
        "pad_token_id": None,
        "quantization_config": {
            "modules_to_not_convert": [
                "model.layers.*.self_attn",
                "model.layers.*.mlp.router",
                "model.embed_tokens",
                "lm_head",
            ],
            "quant_method": "mxfp4",
        },
        "rms_norm_eps": NORM_EPSILON,
        "rope_scaling": {
            "rope_type": "yarn",
            "factor": ROPE_FACTOR,
            "beta_fast": BETA_FAST,
            "beta_slow": BETA_SLOW,
            "truncate": False,
            "original_max_position_embeddings": ROPE_CONTEXT,
        },
        "rope_theta": ROPE_THETA,
        "router_aux_loss_coef": 0.9,
        "sliding_window": WINDOW,
        "swiglu_limit": SWIGLU_LIMIT,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.55.0",
        "use_cache": True,
        "vocab_size": len(VOCABULARY),
    }


def tokenizer() -> dict[str, Any]:
    """``tokenizer.json``: one token per character."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": "[\\s\\S]"},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": {character: token for token, character in enumerate(VOCABULARY)},
            "unk_token": " ",
        },
    }


def write_checkpoint(weights: Weights, folder: Path) -> None:
    """Write the Hugging Face folder of the model."""
    tensors: Weights = {}
    for name, stored in stored_values(weights).items():
        if is_expert(name):
            tensors[name + "_blocks"], tensors[name + "_scales"] = encode_mxfp4(weights[name])
        else:
            tensors[name] = stored.bfloat16()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(save(tensors, metadata={"format": "pt"}))
    documents = {
        "config": model_config(),
        "generation_config": {
            "bos_token_id": NEWLINE,
            "eos_token_id": NEWLINE,
            "do_sample": False,
        },
        "tokenizer": tokenizer(),
        "tokenizer_config": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "\n",
            "bos_token": "\n",
            "clean_up_tokenization_spaces": False,
            "add_bos_token": False,
        },
    }
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")


def read_weights(folder: Path) -> Weights:
    """All weights of a written model in float32, the experts decoded from blocks and scales."""
    tensors = load_file(folder / "model.safetensors")
    weights: Weights = {}
    for name in weight_shapes():
        if is_expert(name):
            weights[name] = decode_mxfp4(tensors[name + "_blocks"], tensors[name + "_scales"])
        else:
            weights[name] = tensors[name].float()
    return weights


# --- the test -----------------------------------------------------------------------------------


@torch.no_grad()
def correct_answers(weights: Weights, texts: list[list[int]]) -> np.ndarray:
    """For each text, whether greedy decoding after its last ``=`` writes the rest of the text.

    One pass suffices: greedy decoding writes the answer iff each of its tokens is the most likely
    one after the right tokens before it.
    """
    longest = max(map(len, texts))
    ids = torch.tensor([text + [NEWLINE] * (longest - len(text)) for text in texts])
    ends = torch.tensor([len(text) for text in texts])
    starts = torch.tensor([len(text) - text[::-1].index(EQUALS) for text in texts])
    place = torch.arange(1, longest)
    asked = (place >= starts[:, None]) & (place < ends[:, None])
    correct = np.zeros(len(texts), dtype=bool)
    for first in range(0, len(texts), TEST_BATCH):
        part = slice(first, first + TEST_BATCH)
        logits, _ = forward(weights, ids[part, :-1])
        hits = logits.argmax(-1) == ids[part, 1:]
        correct[part] = (hits | ~asked[part]).all(1).numpy()
    return correct


def report_accuracy(folder: Path, held_out: np.ndarray, seed: int) -> None:
    """Read the model back and print its accuracy over all 10,000 sums."""
    weights = read_weights(folder)
    for n_before in (0, 1, 3):
        before = np.random.default_rng(seed).integers(0, len(PROBLEMS), (len(PROBLEMS), n_before))
        texts = [
            sum((PROBLEMS[i] for i in row), start=[NEWLINE]) + problem
            for row, problem in zip(before, PROBLEMS, strict=True)
        ]
        correct = correct_answers(weights, texts)
        print(
            f"after {n_before} other problems: {correct.sum()} of {len(correct)} sums right "
            f"({correct.mean():.2%}); held out: {correct[held_out].sum()} of {len(held_out)} "
            f"({correct[held_out].mean():.2%})"
        )


# --- command line -------------------------------------------------------------------------------


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line; its help shows the module's introduction."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the model")
    add("--seed", type=int, default=0, help="decides start, texts and held-out problems (0)")
    add("--steps", type=int, default=3000, help="steps in full precision (3000)")
    add("--mxfp4-steps", type=int, default=2000, help="steps on the MXFP4 grid (2000)")
    add("--texts", type=int, default=128, help=f"texts of {TEXT_TOKENS} tokens per step (128)")
    add("--threads", type=int, default=1, help="CPU threads; part of what fixes the result (1)")
    add(
        "--test-only",
        action="store_true",
        help="train nothing: test the model that is in DIR (give the seed it was trained with)",
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Train, write, read back, test."""
    arguments = parse_arguments(argv)
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    training, held_out = split_problems(rng)
    if not arguments.test_only:
        started = time.monotonic()
        weights = initial_weights()
        for quantised, n_steps, rate in (
            (False, arguments.steps, 4e-3),
            (True, arguments.mxfp4_steps, 1e-3),
        ):
            train(
                weights,
                training,
                rng,
                n_steps=n_steps,
                n_texts=arguments.texts,
                learning_rate=rate,
                quantised=quantised,
            )
        write_checkpoint({name: w.detach() for name, w in weights.items()}, arguments.output)
        print(f"trained in {(time.monotonic() - started) / 60:.1f} minutes")
    report_accuracy(arguments.output, held_out, arguments.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
