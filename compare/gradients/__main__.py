"""``python -m compare.gradients``."""

import sys

from compare.gradients import main

sys.exit(main())
