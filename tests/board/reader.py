"""Reads Hallpass's board: is what bears a stamp still true? Otherwise the daemon is to be asked."""
import hashlib
import hmac
import mmap
import struct
import sys
import time

with open(sys.argv[1], "rb") as file:
    board = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
word = lambda at: struct.unpack_from("=Q", board, at)[0]
if board[:8] != b"hallboar" or word(8) & 0xFFFFFFFF != 1:
    sys.exit("this is no board of layout 1")
slots, key = word(8) >> 32, board[16:48]


def slot(identifier):
    digest = hmac.new(key, identifier, hashlib.sha256).digest()
    return word(4096 + 8 * (int.from_bytes(digest[:8], "big") % slots))


for line in sys.stdin:
    session, user, stamp = line.split()
    lease = word(128) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    believed = 0 < lease <= 5_000_000_000 and word(136) <= int(stamp)
    changed = max(slot(bytes.fromhex(session)), slot(bytes.fromhex(user)))
    print("stands" if believed and changed <= int(stamp) else "ask", flush=True)
