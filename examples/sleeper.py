"""Uses no CPU time and does not end, or not within an hour. The looser limit on wall time is there for such programs."""

import time

time.sleep(3600)
