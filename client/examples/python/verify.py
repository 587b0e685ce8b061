"""Verifies Hallpass's access tokens in Python: by PyJWT and the published keys, and by the board, so that what was taken back is seen at once.

    pip install 'PyJWT[crypto]'
    printf '%s\n' "$TOKEN" | python3 verify.py /run/hallpass/daemon shop

The directory is the one with `board` and `jwks.json`; `shop` is your app, as the configuration of hallpassd names it. Whatever cannot be told here is
asked by the command `hallpass verify`, so this runs as a user that is the app. `Hallpass.verify` is what a web framework's middleware calls.
"""

import base64
import hashlib
import hmac
import json
import mmap
import os
import struct
import subprocess
import sys
import time

import jwt

LEASE_NANOS = 5_000_000_000
CLAIMS = ["iss", "sub", "aud", "client_id", "exp", "iat", "jti", "sid", "auth_time", "acr", "roles"]


class Refused(Exception):
    """The token is not good, or nobody can say: `code` is one of Hallpass's."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Board:
    """A page of memory that only the daemon writes. It says whether what was known at a stamp is still true, or is to be asked about."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        layout = struct.unpack_from("=II", self.memory, 8)
        with open("/proc/sys/kernel/random/boot_id") as boot:
            booted = bytes.fromhex(boot.read().strip().replace("-", ""))
        if self.memory[:8] != b"hallboar" or layout[0] != 1 or self.memory[64:80] != booted:
            raise OSError(f"{path} is no board of layout 1 and of this boot")
        self.slots, self.key = layout[1], self.memory[16:48]

    def word(self, at):
        return struct.unpack_from("=Q", self.memory, at)[0]

    def slot(self, identifier):
        digest = hmac.new(self.key, identifier, hashlib.sha256).digest()
        return self.word(4096 + 8 * (int.from_bytes(digest[:8], "big") % self.slots))

    def is_believed(self):
        # 0 is a board that was closed; one that reaches further than any lease is of another clock.
        return 0 < self.word(128) - time.clock_gettime_ns(time.CLOCK_MONOTONIC) <= LEASE_NANOS

    def keys(self):
        return self.word(200)

    def stands(self, stamp, session, user, keys):
        """The lease is read first: whoever sees one sees all that was written before it. `visible` comes before the slots for the same reason."""
        return (
            self.is_believed()
            and self.keys() == keys
            and stamp <= self.word(192)
            and self.word(136) <= stamp
            and self.slot(session) <= stamp
            and self.slot(user) <= stamp
        )

    def seconds(self):
        return self.word(208) // 1000


class Hallpass:
    def __init__(self, directory, audience, issuer="hallpass", command="hallpass", socket=None):
        self.directory, self.audience, self.issuer = directory, audience, issuer
        self.command = [command] + (["--socket", socket] if socket else [])
        self.board, self.keys, self.version = None, {}, None

    def verify(self, token):
        """Who bears the token: `sub`, `sid` and the roles they have now. Raises `Refused`."""
        return self.known(token) or self.ask(token)

    def known(self, token):
        """What can be told here, or nothing: then the daemon is to be asked."""
        board = self.believed_board()
        if board is None:
            return None
        version = board.keys()
        if version != self.version:
            # The version first: the file is written before the board says so, so what is read now is of that version or newer.
            try:
                self.keys, self.version = self.read_keys(), version
            except (OSError, ValueError, LookupError, jwt.PyJWTError):
                return None
        try:
            header = jwt.get_unverified_header(token)
            if sorted(header) != ["alg", "kid", "typ"] or header["typ"] != "at+jwt":
                raise Refused("invalid_token")
            key = self.keys.get(header["kid"])
            if key is None:
                return None
            said = jwt.decode(token, key, ["EdDSA"], {"require": CLAIMS}, audience=self.audience, issuer=self.issuer)
        except jwt.ExpiredSignatureError:
            raise Refused("token_expired")
        except jwt.InvalidTokenError:
            raise Refused("invalid_token")
        if said["exp"] <= board.seconds():
            raise Refused("token_expired")
        # A raised level ends before the token does, which only the daemon knows.
        stamp = int.from_bytes(base64.urlsafe_b64decode(said["jti"] + "==")[:8], "big")
        if said["acr"] != "1" or not board.stands(stamp, ulid(said["sid"]), ulid(said["sub"]), self.version):
            return None
        return {"way": "board", "sub": said["sub"], "sid": said["sid"], "roles": said["roles"]}

    def believed_board(self):
        """The board, opened anew where the one at hand says no more: another one may lie in its place."""
        if self.board is None or not self.board.is_believed():
            try:
                self.board = Board(os.path.join(self.directory, "board"))
            except (OSError, ValueError):
                self.board = None
        return self.board if self.board and self.board.is_believed() else None

    def read_keys(self):
        with open(os.path.join(self.directory, "jwks.json")) as file:
            return {key["kid"]: jwt.PyJWK(key) for key in json.load(file)["keys"]}

    def ask(self, token):
        command = [*self.command, "verify", "-", "--json", "--audience", self.audience]
        asked = subprocess.run(command, input=token + "\n", capture_output=True, text=True)
        answer = json.loads(asked.stdout or "{}")
        if asked.returncode != 0:
            raise Refused(answer.get("error", {}).get("code", "unavailable"))
        return {"way": "daemon", "sub": answer["user_id"], "sid": answer["session_id"], "roles": answer["roles"]}


def ulid(text):
    """The 16 bytes behind 26 characters of Crockford's base32."""
    number = 0
    for character in text:
        number = number * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(character)
    return number.to_bytes(16, "big")


if __name__ == "__main__":
    hallpass = Hallpass(*sys.argv[1:])
    for line in sys.stdin:
        try:
            print(json.dumps(hallpass.verify(line.strip())), flush=True)
        except Refused as refused:
            print(json.dumps({"refused": refused.code}), flush=True)
