"""An issuer of tokens on this machine, whose keys are made here."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from serving.issuer import WELL_KNOWN

AUDIENCE = "puntuale"


class Issuer:
    """An issuer of tokens: its documents by HTTP, and the keys that it signs with."""

    def __init__(self):
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append(self.path)
                content = json.dumps(issuer.documents.get(self.path)).encode()
                self.send_response(200 if issuer.answers else 500)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/realm"
        self.private = {
            "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ec": ec.generate_private_key(ec.SECP256R1()),
        }
        self.reset()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self):
        self.answers, self.asked, self.documents = True, [], {}
        described = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.documents["/realm" + WELL_KNOWN] = described
        self.publish("rsa", "ec")

    def publish(self, *names):
        convert = {"rsa": RSAAlgorithm, "ec": ECAlgorithm}
        keys = [
            convert[name].to_jwk(self.private[name].public_key(), as_dict=True) | {"kid": name}
            for name in names
        ]
        self.documents["/realm/keys"] = {"keys": keys}

    def token(self, *, key="rsa", alg=None, kid=None, headers=(), **claims):
        now = int(time.time())
        usual = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "user-7",
            "iat": now,
            "exp": now + 300,
            "scope": "openid puntuale:read",
        }
        claims = {name: value for name, value in (usual | claims).items() if value is not None}
        alg = alg or {"rsa": "RS256", "ec": "ES256"}[key]
        named = {"kid": kid or key} | dict(headers)
        return jwt.encode(claims, self.private[key], alg, headers=named)


@contextmanager
def answering():
    """An issuer that answers for as long as the block lasts."""
    issuer = Issuer()
    yield issuer
    issuer.server.shutdown()
    issuer.server.server_close()
