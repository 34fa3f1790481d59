"""Where results that are dear to make again are kept."""

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """``$HNLPU_CACHE``, else under the user's cache folder."""
    own = os.environ.get("HNLPU_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hnlpu"
