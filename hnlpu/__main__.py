"""``python -m hnlpu``."""

import sys

from hnlpu.cli import main

if __name__ == "__main__":
    sys.exit(main())
