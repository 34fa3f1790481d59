"""Logits of Hugging Face transformers itself, through the optional extra ``[reference]``."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError, MissingToolError

__all__ = ["transformers_logits"]


def transformers_logits(folder: Path, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Logits of a checkpoint folder in fp32, (n_sequences, n_tokens, vocab).

    Raises
    ------
    MissingToolError
        torch or transformers is not installed.
    HnlpuError
        transformers refuses the checkpoint.
    """
    try:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM
    except ImportError as error:
        raise MissingToolError(
            "comparing with transformers needs the extra [reference]",
            where="--transformers",
            got=str(error),
            do="pip install 'hnlpu[reference]', or leave --transformers out",
        ) from error
    options: dict[str, Any] = {"dtype": torch.float32, "attn_implementation": "eager"}
    try:
        config = AutoConfig.from_pretrained(folder)
        if getattr(config, "quantization_config", None):
            from transformers import Mxfp4Config

            options["quantization_config"] = Mxfp4Config(dequantize=True)
        model = AutoModelForCausalLM.from_pretrained(folder, **options).eval()
        with torch.no_grad():
            logits = model(torch.from_numpy(ids)).logits
    except Exception as error:  # transformers raises many unrelated types
        text = str(error).splitlines()[0] if str(error) else ""
        raise HnlpuError(
            "transformers does not run this checkpoint",
            where=str(folder),
            got=f"{type(error).__name__}: {text}",
            do="check the checkpoint, or leave --transformers out",
        ) from error
    return logits.double().numpy()  # type: ignore[no-any-return]
