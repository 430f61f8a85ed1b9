"""The API put together: routers, authentication, and troubles in one shape (``{"detail": …}``)."""

from __future__ import annotations

from django.core.exceptions import ObjectDoesNotExist
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI

from postroom import __version__
from postroom.api.v1 import activities, health, mail, mail_tests, receivers, records, scheduled, story, suppressions
from postroom.api.v1 import ingress as ingress  # noqa: PLC0414 - it adds to the router of mail
from postroom.api.v1.authentication import ByKey, BySession
from postroom.flows.access import NotAllowed
from postroom.store.lent import ManyWait

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
api.add_router("", activities.router)
api.add_router("", mail.router)  # with what `ingress` adds to it
api.add_router("", suppressions.router)
api.add_router("", health.router)
api.add_router("", story.router)
api.add_router("", mail_tests.router)
api.add_router("", receivers.router)


def not_allowed(request: HttpRequest, error: NotAllowed | type[NotAllowed]) -> HttpResponse:
    return api.create_response(request, {"detail": str(error)}, status=403)


def not_found(request: HttpRequest, _error: Exception | type[Exception]) -> HttpResponse:
    """What a view or a flow did not find, or not among what this member sees."""
    return api.create_response(request, {"detail": "There is nothing here that you may see."}, status=404)


def later(request: HttpRequest, _error: Exception | type[Exception]) -> HttpResponse:
    """Database or disk are away: that is our fault, and passes."""
    answer = api.create_response(request, {"detail": "Not now: try again in a minute."}, status=503)
    answer["Retry-After"] = "60"
    return answer


def busy(request: HttpRequest, error: ManyWait | type[ManyWait]) -> HttpResponse:
    """As many as may wait for the network do."""
    answer = api.create_response(request, {"detail": str(error)}, status=503)
    answer["Retry-After"] = "10"
    return answer


api.exception_handler(NotAllowed)(not_allowed)
api.exception_handler(ManyWait)(busy)
for outage in (OperationalError, InterfaceError, OSError):
    api.exception_handler(outage)(later)
for absence in (Http404, ObjectDoesNotExist):
    api.exception_handler(absence)(not_found)
