"""hnlpu: hardwired language models, from a checkpoint to verified RTL and a cost report."""

from pathlib import Path

__version__ = "0.1.0"

# In a checkout rtl/, sim/, ... lie beside this folder; an installed wheel has them inside it.
_checkout = Path(__file__).resolve().parents[1]
if not Path(__file__).with_name("rtl").is_dir() and (_checkout / "rtl" / "__init__.py").is_file():
    __path__.append(str(_checkout))
