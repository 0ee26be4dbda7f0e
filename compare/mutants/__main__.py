"""``python -m compare.mutants``."""

import sys

from compare.mutants import main

sys.exit(main())
