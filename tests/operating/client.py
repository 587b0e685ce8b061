"""Speaks to hallpassd as hallpass-protocol(7) has it: who is there, a login, a verification, and the end of the session."""
import json
import socket
import struct
import sys


def varint(number):
    if number <= 250:
        return bytes([number])
    for mark, form, most in (251, "<H", 1 << 16), (252, "<I", 1 << 32), (253, "<Q", 1 << 64):
        if number < most:
            return bytes([mark]) + struct.pack(form, number)


def text(words):
    return varint(len(words.encode())) + words.encode()


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        assert self.at <= len(self.data), "the value is cut"
        return self.data[self.at - count : self.at]

    def number(self):
        first = self.take(1)[0]
        form = {251: "<H", 252: "<I", 253: "<Q"}.get(first)
        return struct.unpack(form, self.take(struct.calcsize(form)))[0] if form else first

    def text(self):
        return self.take(self.number()).decode()

    def option(self, read):
        return read() if self.take(1)[0] else None

    def many(self, read):
        return [read() for _ in range(self.number())]


class Daemon:
    def __init__(self, path):
        self.stream, self.last = socket.socket(socket.AF_UNIX), 0
        self.stream.connect(path)
        self.stream.sendall(b"hallpass" + bytes([1]) + struct.pack(">H", 1))
        magic, version, status, length = struct.unpack(">8sHBH", self.read(13))
        assert magic == b"hallpass" and status == 0, self.read(length).decode()

    def read(self, count):
        data = b""
        while len(data) < count:
            more = self.stream.recv(count - len(data))
            assert more, "the daemon has closed"
            data += more
        return data

    def call(self, code, arguments=b""):
        """The answer as a reader, or the code of the refusal and its words."""
        self.last += 1
        context = bytes([0]) + varint(10) + varint(0) + bytes(16) + varint(0) + varint(1)
        value = context + varint(self.last) + varint(code) + arguments
        self.stream.sendall(struct.pack(">I", len(value)) + value)
        answer = Reader(self.read(struct.unpack(">I", self.read(4))[0]))
        assert answer.number() == self.last and answer.number() == 0 and answer.number() == code
        if answer.number() == 0:
            return answer, None
        return None, (answer.number(), answer.text(), answer.option(answer.number))


NONE, NO_CONTEXT = b"\0", b"\0" * 4
daemon, name, password = Daemon(sys.argv[1]), sys.argv[2], sys.stdin.readline().rstrip("\n")
seen = {}

hello, _ = daemon.call(0)
seen["version"], database, seen["issuer"], seen["app"] = hello.text(), hello.text(), hello.text(), hello.text()
seen["audiences"], may_verify, life = hello.many(hello.text), hello.take(1)[0], hello.number()
seen["board"] = hello.option(lambda: (hello.text(), hello.number(), hello.number()))[0]
assert hello.at == len(hello.data), "something follows what the page has"

# A session for a cookie: name, password, kind 0, no audience, no device token, nothing of where it came from.
grant, _ = daemon.call(1, text(name) + text(password) + varint(0) + NONE + NONE + NO_CONTEXT)
user, session = grant.take(16), grant.take(16)
assert grant.number() == 0, "the tokens of a cookie"
token = grant.text()
grant.number(), grant.number()
device = grant.option(grant.text)
assert grant.at == len(grant.data) and token.startswith("hps_") and device.startswith("hpd_")
seen["user"] = user.hex()

# Verified without further needs: no audience, no roles, no age, no level; and no context.
verify = text(token) + NONE + varint(0) + NONE + NONE + NONE
who, _ = daemon.call(2, verify)
# In an identity it is a number, which takes another byte in front.
assert who.take(17)[:0:-1] == user
seen["name"], seen["roles"] = who.text(), who.many(who.text)

revoked, _ = daemon.call(4, varint(0) + text(token))
seen["ended"] = revoked.number()
_, (seen["refused"], seen["words"], _) = daemon.call(2, verify)
print(json.dumps(seen))
