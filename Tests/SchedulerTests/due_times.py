"""Prints the due times of cron expressions as another library finds them: due_times.py FROM YEARS MOST < EXPRESSIONS.

Each line of input is an expression; each line of output has its due times in seconds since 1970, or a '-' for one that the
library does not know. Zones are not its business here."""
import sys
from datetime import datetime, timezone

from croniter import croniter

start, years, most = map(int, sys.argv[1:])
end = start + years * 365 * 86400
for line in sys.stdin:
    fields = line.split()
    # It has the seconds behind the others.
    text = " ".join(fields[1:] + fields[:1]) if len(fields) == 6 else line.strip()
    times = []
    try:
        iterator = croniter(text, datetime.fromtimestamp(start, timezone.utc), max_years_between_matches=50)
        while True:
            time = int(iterator.get_next(float))
            if time >= end or len(times) >= most:
                break
            times.append(str(time))
    except Exception as error:
        if type(error).__name__ != "CroniterBadDateError":
            sys.stderr.write("%s: %s\n" % (text, error))
            times = ["-"]
    print(" ".join(times))
