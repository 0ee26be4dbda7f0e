"""``python -m compare.training``."""

import sys

from compare.training import main

sys.exit(main())
