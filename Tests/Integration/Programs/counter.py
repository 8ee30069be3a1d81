"""Prints numbered lines: counter.py COUNT [RATE [SIZE]], so many a second (0: as fast as it goes), padded to SIZE bytes."""
import sys
import time

count = int(sys.argv[1])
rate = float(sys.argv[2]) if len(sys.argv) > 2 else 0
size = int(sys.argv[3]) if len(sys.argv) > 3 else 0
out = sys.stdout.buffer
start = time.monotonic()
for number in range(1, count + 1):
    line = b"number %d " % number
    out.write(line + b"." * max(0, size - len(line)) + b"\n")
    if rate:
        out.flush()
        ahead = start + number / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
out.flush()
time.sleep(100000)
