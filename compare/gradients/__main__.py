"""``python -m compare.gradients``."""

import sys

from compare.command.supervised import supervised
from compare.gradients import main

sys.exit(supervised("python -m compare.gradients", main))
