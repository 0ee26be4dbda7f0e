"""``python -m compare.exercises``."""

import sys

from compare.exercises.commands import main

sys.exit(main())
