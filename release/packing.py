"""Archives that follow from their contents alone: order, times, owners and modes are fixed, and nothing of the machine is in them.

The compressed bytes also depend on zlib; what is compressed does not.
"""

import hashlib
import io
import pathlib
import struct
import sys
import tarfile
import time
import zipfile
import zlib
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROJECT = "https://github.com/issuerctl/issuerctl"

# What is printed may become a file that is released: Windows has another encoding and other ends of lines.
sys.stdout.reconfigure(encoding="utf-8", newline="\n")


@dataclass(frozen=True)
class Entry:
    """A file, or a folder if `data` is None."""

    path: str
    data: bytes | None
    mode: int
    owner: int = 0


@dataclass(frozen=True)
class Program:
    """A line of release/programs."""

    name: str
    released_as: list[str]
    title: str


def programs():
    lines = (ROOT / "release/programs").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [Program(name, kinds.split(","), title) for name, kinds, title in rows]


def program(name):
    for candidate in programs():
        if candidate.name == name:
            return candidate
    known = ", ".join(each.name for each in programs())
    fail(f"there is no program {name}", f"the programs are {known}; a further one needs a line in release/programs")


def fail(message, hint):
    sys.exit(f"error: {message}\nhint: {hint}")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def tar(entries, epoch):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for entry in sorted(entries, key=lambda entry: entry.path):
            info = tarfile.TarInfo(entry.path)
            info.mode, info.mtime, info.uid, info.gid = entry.mode, epoch, entry.owner, entry.owner
            if entry.data is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            else:
                info.size = len(entry.data)
                archive.addfile(info, io.BytesIO(entry.data))
    return file.getvalue()


def gzip(data):
    """RFC 1952 without a time, a name and an operating system, which Python's own module sets differently from version to version."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush()
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return header + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def zip_file(entries, epoch):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for entry in sorted(entries, key=lambda entry: entry.path):
            if entry.data is None:
                continue
            info = zipfile.ZipInfo(entry.path, time.gmtime(max(epoch, 315532800))[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = (0o100000 | entry.mode) << 16
            archive.writestr(info, entry.data)
    return file.getvalue()
