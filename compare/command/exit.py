"""Exit codes, and errors of one line."""

import signal
import sys
from collections.abc import Callable

from compare.command.writing import NotWrittenError
from torch_models import extras
from torch_models.memory import is_exhausted
from torch_models.while_importing import ended_at_once


def exit_code(program: str, work: Callable[[], bool]) -> int:
    """0 or 1 for what ``work`` found; another one, and a line on stderr, for what it raised."""
    with ended_at_once(program, signal.SIGINT):
        from compare.trial.errors import ComparisonError, ManualError
        from torch_models.mnist import DataError

    try:
        return 0 if work() else 1
    except ModuleNotFoundError as error:
        return _fail(program, 2, extras.missing(error))
    except ManualError as error:
        return _fail(program, 1, error)
    except (ComparisonError, DataError, NotWrittenError) as error:
        return _fail(program, 2, error)
    except (MemoryError, RuntimeError) as error:
        if is_exhausted(error):
            return _fail(program, 2, "this takes more memory than there is: choose smaller sizes")
        raise
    except KeyboardInterrupt:
        return _fail(program, 130, "interrupted")


def _fail(program: str, code: int, error: object) -> int:
    sys.stderr.write(f"{program}: error: {' '.join(str(error).split())}\n")
    return code
