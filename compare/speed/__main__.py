"""``python -m compare.speed``."""

import sys

from compare.speed import main

sys.exit(main())
