"""Writes archives that nobody should unpack: archives.py FOLDER."""
import gzip, io, os, sys, tarfile

folder = sys.argv[1]
MODULE = b'name: bad\ncommand: ["true"]\n'


def archive(name, *entries):
    with tarfile.open(os.path.join(folder, name + ".tar"), "w") as tar:
        module = tarfile.TarInfo("module.yaml")
        module.size = len(MODULE)
        tar.addfile(module, io.BytesIO(MODULE))
        for entry in entries:
            tar.addfile(entry, io.BytesIO(b"x" * entry.size) if entry.size else None)


def entry(path, kind=tarfile.REGTYPE, target="", size=0):
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.size = kind, target, size
    return info


archive("traversal", entry("../../escaped", size=3))
archive("absolute", entry("/tmp/escaped", size=3))
archive("link-out", entry("l", tarfile.SYMTYPE, "/tmp"), entry("l/escaped", size=3))
archive("link-chain", entry("q", tarfile.SYMTYPE, "."), entry("p", tarfile.SYMTYPE, "q/.."))
archive("hard-link", entry("l", tarfile.LNKTYPE, "../../../../etc/passwd"))
archive("device", entry("d", tarfile.CHRTYPE))
archive("block", entry("d", tarfile.BLKTYPE))
archive("pipe", entry("p", tarfile.FIFOTYPE))
archive("twice", entry("a", size=1), entry("a", size=1))

# A bomb: a gigabyte of zeros in a megabyte.
with gzip.open(os.path.join(folder, "bomb.tar"), "wb", compresslevel=1) as packed:
    zeros = entry("zeros", size=1 << 30)
    module = entry("module.yaml", size=len(MODULE))
    packed.write(module.tobuf() + MODULE + b"\0" * (512 - len(MODULE)) + zeros.tobuf())
    for _ in range(1024):
        packed.write(b"\0" * (1 << 20))
    packed.write(b"\0" * 1024)

# Cut off in the middle, and not an archive behind its beginning.
with open(os.path.join(folder, "twice.tar"), "rb") as whole:
    content = whole.read()
with open(os.path.join(folder, "cut.tar"), "wb") as cut:
    cut.write(content[:1200])
with open(os.path.join(folder, "garbled.tar"), "wb") as garbled:
    garbled.write(content[:1024] + os.urandom(4096))
