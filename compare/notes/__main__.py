"""``python -m compare.notes``."""

import sys

from compare.notes import main

sys.exit(main())
