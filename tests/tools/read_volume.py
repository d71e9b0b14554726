#!/usr/bin/python3
"""read_volume.py - does the Python of docs/formats.md read a job?

    read_volume.py FORMATS.md JOB SHOWN DIGEST

SHOWN is what `millrace show JOB` printed, DIGEST what `millrace digest JOB` did. Exit status 0:
it reads the same; 1: it does not; 77: a module that it needs is not here."""
import base64
import glob
import json
import re
import struct
import sys


def same(ours, shown):
    """Floats of 4 bytes are printed in as few digits as tell them apart."""
    if isinstance(ours, list):
        flat = [x for y in shown for x in y] if shown and isinstance(shown[0], list) else shown
        return len(ours) == len(flat) and all(same(a, b) for a, b in zip(ours, flat))
    if isinstance(ours, float):
        return ours == shown or struct.pack("<f", ours) == struct.pack("<f", shown)
    if isinstance(ours, bytes):
        return base64.b64encode(ours).decode() == shown
    return ours == shown


def main():
    try:
        import lmdb, msgpack, xxhash, zstandard  # noqa: F401, E401
    except ImportError as error:
        print("skipped: %s" % error)
        return 77
    formats, job, shown_path, want = sys.argv[1:5]
    reader = {}
    with open(formats, encoding="utf-8") as file:
        for block in re.findall(r"```python\n(.*?)```", file.read(), re.DOTALL):
            exec(block, reader)
    with open(shown_path, encoding="utf-8") as file:
        shown = {record["key"]: record for record in map(json.loads, file)}
    volumes = sorted(glob.glob(job + "/volumes/*/*.lmdb"))
    count = 0
    for path in volumes:
        for record in reader["records"](path):
            count += 1
            line = shown[record["key"]]
            for name, value in record.items():
                if name != "image" and not same(value, line[name]):
                    print("%s of %s is %r, shown is %r" % (name, record["key"], value, line[name]))
                    return 1
    if count != len(shown) or count == 0:
        print("%d records read, %d shown" % (count, len(shown)))
        return 1
    digest = "%032x" % (sum(map(reader["digest"], volumes)) % 2**128)
    if digest != want:
        print("the digest is %s, not %s" % (digest, want))
        return 1
    print("%d records of %d volumes, digest %s" % (count, len(volumes), digest))
    return 0


sys.exit(main())
