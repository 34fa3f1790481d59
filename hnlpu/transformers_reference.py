"""Logits of Hugging Face transformers itself, through the optional extra ``[reference]``."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError, MissingToolError

__all__ = ["TransformersModel"]


class TransformersModel:
    """A checkpoint folder in transformers, fp32.

    Raises
    ------
    MissingToolError
        torch or transformers is not installed.
    HnlpuError
        transformers refuses the checkpoint.
    """

    def __init__(self, folder: Path) -> None:
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
            self._model = AutoModelForCausalLM.from_pretrained(folder, **options).eval()
        except Exception as error:  # transformers raises many unrelated types
            text = str(error).splitlines()[0] if str(error) else ""
            raise HnlpuError(
                "transformers does not run this checkpoint",
                where=str(folder),
                got=f"{type(error).__name__}: {text}",
                do="check the checkpoint, or leave --transformers out",
            ) from error

    def logits(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Logits of whole sequences, (n_sequences, n_tokens, vocab)."""
        import torch

        with torch.no_grad():
            result = self._model(torch.from_numpy(ids)).logits
        return result.double().numpy()  # type: ignore[no-any-return]

    def start(self, n_sequences: int) -> "_Sequences":
        """Empty sequences, used like ``ChipTwin``."""
        return _Sequences(self, np.zeros((n_sequences, 0), dtype=np.int64))


class _Sequences:
    """Sequences that are computed anew with each token: slow, and nothing to get wrong."""

    def __init__(self, model: TransformersModel, ids: npt.NDArray[np.int64]) -> None:
        self._model, self._ids = model, ids

    def forward(self, ids: Any) -> npt.NDArray[np.float64]:
        new = np.asarray(ids, dtype=np.int64).reshape(len(self._ids), -1)
        self._ids = np.concatenate([self._ids, new], axis=1)
        return self._model.logits(self._ids)[:, -new.shape[1] :]
