"""Creates tokens: reads a list of {key, alg, kid, claims, mangle} from drafts.json, and writes the
list of tokens to tokens.json."""
import base64, hashlib, hmac, json, pathlib
import jwt


def part(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(draft):
    header = {"kid": draft["kid"]} if draft["kid"] is not None else {}
    alg, claims = draft["alg"], draft["claims"]
    if alg == "HS256":  # PyJWT itself refuses to use a public key as a shared secret
        text = part({"alg": alg, "typ": "JWT"} | header) + "." + part(claims)
        secret = pathlib.Path(draft["key"]).read_bytes()
        return text + "." + part(hmac.digest(secret, text.encode(), hashlib.sha256))
    key = None if alg == "none" else pathlib.Path(draft["key"]).read_text()
    return jwt.encode(claims, key, algorithm=alg, headers=header)


def mangled(token, mangle):
    head, body, signature = token.split(".")
    match mangle:
        case None:
            return token
        case "tampered":
            claims = json.loads(base64.urlsafe_b64decode(body + "=="))
            claims |= {"sub": "system:serviceaccount:kube-system:admin"}
            return ".".join([head, part(claims), signature])
        case "cut":
            # Leaves 321 characters of an RSA-2048 signature, which are never valid base64.
            return token[:-21]
        case "two parts":
            return head + "." + body
        case "opaque":
            return "2YotnFZFEjr1zCsicMWpAA"


drafts = json.load(open("drafts.json"))
json.dump([mangled(signed(draft), draft["mangle"]) for draft in drafts], open("tokens.json", "w"))
