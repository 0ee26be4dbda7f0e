"""Time as the processor counts it: the same however busy the machine is."""

import resource


def spent_on_children() -> float:
    """Seconds that the processes took which this one has started and which have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
