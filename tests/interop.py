"""Verifies one access token with PyJWT, which shares no code with Hallpass: what it must accept and what it must refuse.

Reads one JSON object from stdin: the key set as `hallpass key jwks` prints it, another daemon's key set, the token, its audience and its
issuer. Prints the claims as one JSON object. Anything that is not as it must be ends it with an exception.
"""

import json
import sys
from datetime import datetime as RealTime, timezone

import jwt
from jwt import api_jwt

REQUIRED = ["iss", "sub", "aud", "client_id", "exp", "iat", "jti", "sid", "auth_time"]


def main():
    given = json.load(sys.stdin)
    token, audience, issuer = given["token"], given["audience"], given["issuer"]

    def verify(token=token, keys=given["jwks"], audience=audience, issuer=issuer):
        key = key_of(token, keys)
        options = {"require": REQUIRED}
        return jwt.decode(token, key, algorithms=["EdDSA"], audience=audience, issuer=issuer, options=options)

    header = jwt.get_unverified_header(token)
    if sorted(header) != ["alg", "kid", "typ"] or (header["alg"], header["typ"]) != ("EdDSA", "at+jwt"):
        raise AssertionError(f"the header is {header}")
    claims = verify()

    refuses(jwt.InvalidAudienceError, verify, audience="another")
    refuses(jwt.InvalidIssuerError, verify, issuer="another")
    refuses(LookupError, verify, keys=given["other_jwks"])
    head, payload, signature = token.split(".")
    refuses(jwt.InvalidSignatureError, verify, token=".".join([head, payload, other(signature)]))
    refuses(jwt.InvalidTokenError, verify, token=".".join([head, other(payload), signature]))

    # The last second in which it stands, and the first in which it does not.
    at(claims["exp"] - 1)
    verify()
    at(claims["exp"])
    refuses(jwt.ExpiredSignatureError, verify)
    at(claims["exp"] + 86_400)
    refuses(jwt.ExpiredSignatureError, verify)

    json.dump(claims, sys.stdout)


def key_of(token, keys):
    """The key that the token names. Private members have no place in a published set."""
    kid = jwt.get_unverified_header(token)["kid"]
    for key in keys["keys"]:
        if "d" in key:
            raise AssertionError("the key set holds a private key")
        if key["kid"] == kid:
            return jwt.PyJWK(key)
    raise LookupError(f"no key {kid}")


def other(text):
    """The same text but for one character in its middle."""
    middle = len(text) // 2
    return text[:middle] + ("B" if text[middle] == "A" else "A") + text[middle + 1 :]


def refuses(error, verify, **changed):
    try:
        verify(**changed)
    except error:
        return
    raise AssertionError(f"accepted where {error.__name__} was due")


def at(moment):
    """Sets PyJWT's clock. If it ever looks elsewhere, the refusals above fail."""

    class Frozen(RealTime):
        @classmethod
        def now(cls, tz=None):
            return RealTime.fromtimestamp(moment, tz or timezone.utc)

    api_jwt.datetime = Frozen


main()
