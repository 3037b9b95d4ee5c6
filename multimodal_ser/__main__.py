"""``python -m multimodal_ser`` is the command ``multimodal-ser``."""

import sys

from multimodal_ser.cli import main

if __name__ == "__main__":
    sys.exit(main())
