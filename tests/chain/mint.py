"""Makes tokens: reads a list of {key, alg, kid, claims, mangle} from drafts.json, writes the list of tokens to tokens.json."""
import base64, hashlib, hmac, json, pathlib
import jwt


def part(value):
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=").decode()


def signed(draft):
    header = {"kid": draft["kid"]} if draft["kid"] is not None else {}
    alg, claims = draft["alg"], draft["claims"]
    if alg == "HS256":  # PyJWT itself refuses to use a public key as a shared secret
        text = part({"alg": alg, "typ": "JWT"} | header) + "." + part(claims)
        return text + "." + part(hmac.digest(pathlib.Path(draft["key"]).read_bytes(), text.encode(), hashlib.sha256))
    key = None if alg == "none" else pathlib.Path(draft["key"]).read_text()
    return jwt.encode(claims, key, algorithm=alg, headers=header)


def mangled(token, mangle):
    head, body, signature = token.split(".")
    match mangle:
        case None:
            return token
        case "tampered":
            claims = json.loads(base64.urlsafe_b64decode(body + "=="))
            return ".".join([head, part(claims | {"sub": "system:serviceaccount:kube-system:admin"}), signature])
        case "cut":
            # 321 characters of an RSA-2048 signature are left, which are base64 of nothing; 322 are at times of something.
            return token[:-21]
        case "two parts":
            return head + "." + body
        case "opaque":
            return "2YotnFZFEjr1zCsicMWpAA"


drafts = json.load(open("drafts.json"))
json.dump([mangled(signed(draft), draft["mangle"]) for draft in drafts], open("tokens.json", "w"))
