"""/v1/session: how the pages come in with an API key.

A browser cannot put a header on a picture, a download or a stream of events, and what a script can read a script that
slipped in can steal. So the page hands the key over once and gets it back as a cookie: out of reach of scripts, sent
to this host alone (whatever the port: cookies know no ports), and gone with the key when that is revoked.
"""

from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from shared import problems
from shared.access import COOKIE, LOCAL, SAFE_COOKIE, bearer_of, gate_of
from shared.errors import Unauthorized

router = APIRouter(tags=["session"])

PATH: Final = "/v1/session"
#: Seconds that a browser keeps the cookie: a working day.
_KEPT: Final = 12 * 3600
_NO_STORE: Final = {"Cache-Control": "no-store"}


class Session(BaseModel):
    """Who asks, and what they may do."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"owner": "alice", "scopes": ["submit", "read"], "keys": True}]}
    )

    owner: str = Field(description=f"Whose jobs these are: the name of the key, `{LOCAL}` without keys.")
    scopes: list[str] = Field(description="submit, read, operate.")
    keys: bool = Field(description="Whether this Darkroom wants API keys.")


@router.get(PATH, response_model=Session, responses=problems.described(Unauthorized), summary="Who am I")
async def show(request: Request, response: Response) -> Session:
    """The owner and the scopes of the key that comes with the request."""
    response.headers.update(_NO_STORE)
    return _session(request)


@router.post(PATH, response_model=Session, responses=problems.described(Unauthorized), summary="Sign in")
async def sign_in(request: Request, response: Response) -> Session:
    """For pages: hand over the key in the Authorization header, get it as a cookie that no script can read."""
    session = _session(request)
    key = bearer_of(request)
    if session.keys and key is not None:
        # Behind a gateway that ends TLS the request comes as http; the browser's Origin tells how its page was reached.
        secure = "https" in (request.url.scheme, urlsplit(request.headers.get("origin", "")).scheme)
        name = SAFE_COOKIE if secure else COOKIE
        response.set_cookie(name, key, max_age=_KEPT, httponly=True, samesite="strict", secure=secure)
    response.headers.update(_NO_STORE)
    return session


@router.delete(PATH, status_code=204, summary="Sign out", openapi_extra={"security": []})
async def sign_out() -> Response:
    """Take the cookie back."""
    response = Response(status_code=204, headers=_NO_STORE)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    response.delete_cookie(SAFE_COOKIE, httponly=True, samesite="strict", secure=True)
    return response


def _session(request: Request) -> Session:
    gate = gate_of(request)
    identity = gate.identify(request)
    return Session(owner=identity.owner, scopes=list(identity.scopes), keys=gate.has_keys)
