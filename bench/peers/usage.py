"""Runs a command and writes what it took, with the processes it started, to a file: usage.py FILE COMMAND .."""

import json
import resource
import subprocess
import sys
import time

start = time.perf_counter()
status = subprocess.call(sys.argv[2:])
seconds = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump({"seconds": seconds, "cpuSeconds": used.ru_utime + used.ru_stime, "mebibytes": used.ru_maxrss / 1024}, file)
sys.exit(status)
