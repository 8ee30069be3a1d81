"""Looks at exported lines of counter.py: check_lines.py FILE. Prints as JSON how many instances there are, how many numbers
each has at least, how many are missing, doubled or out of order in all, and what remarks on lost and suppressed lines tell."""
import collections
import gzip
import json
import re
import sys

numbers = collections.defaultdict(list)
remarks = collections.Counter()
opener = gzip.open if sys.argv[1].endswith(".gz") else open
for text in opener(sys.argv[1], "rt"):
    record = json.loads(text)
    found = re.match(r"number (\d+) ", record["line"])
    if found:
        numbers[record["instance"]].append(int(found[1]))
    elif record["stream"] == "orch":
        remark = re.match(r"(lost|suppressed|refused)=(\d+)", record["line"])
        remarks[remark[1]] += int(remark[2])
missing = doubled = disordered = 0
for found in numbers.values():
    missing += max(found) - len(set(found))
    doubled += len(found) - len(set(found))
    disordered += sum(a > b for a, b in zip(found, found[1:]))
print(json.dumps({
    "instances": len(numbers), "fewest": min(map(len, numbers.values()), default=0),
    "last": min(map(max, numbers.values()), default=0), "missing": missing, "doubled": doubled,
    "disordered": disordered, "lost": remarks["lost"], "suppressed": remarks["suppressed"],
    "refused": remarks["refused"],
}))
