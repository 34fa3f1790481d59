"""Points of the usual sweep."""

__all__ = ["BATCHES", "CONTEXTS"]

#: Figure 14's contexts, with those between, and batches up to every slot of 36 layers.
CONTEXTS = (2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288)
BATCHES = (1, 8, 27, 54, 108, 162, 216)
