"""The API put together: routers, authentication, and troubles in one shape (``{"detail": …}``)."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI

from postroom import __version__
from postroom.api.v1 import mail, records, scheduled, suppressions
from postroom.api.v1.authentication import ByKey, BySession
from postroom.flows.access import NotAllowed

api = NinjaAPI(
    title="Postroom",
    version=__version__,
    description="Records and their e-mail conversations, the queue, and what came in.",
    urls_namespace="api_v1",
    auth=[ByKey(), BySession()],
    docs_url="/docs",
    openapi_url="/openapi.json",
)
api.add_router("", records.router)
api.add_router("", scheduled.router)
api.add_router("", mail.router)
api.add_router("", suppressions.router)


def not_allowed(request: HttpRequest, error: NotAllowed | type[NotAllowed]) -> HttpResponse:
    return api.create_response(request, {"detail": str(error)}, status=403)


def not_found(request: HttpRequest, _error: Http404 | type[Http404]) -> HttpResponse:
    return api.create_response(request, {"detail": "There is nothing here that you may see."}, status=404)


api.exception_handler(NotAllowed)(not_allowed)
api.exception_handler(Http404)(not_found)
