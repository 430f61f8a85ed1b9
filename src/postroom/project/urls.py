"""Which face answers at which address."""

from django.urls import include, path

from postroom.api import hooks, ingress
from postroom.api.v1.api import api
from postroom.web.mark import favicon
from postroom.web.site import site

urlpatterns = [
    path("favicon.ico", favicon, name="favicon"),
    path("api/v1/", api.urls),
    path("hooks/<slug:provider>/<slug:token>", hooks.take, name="hook"),
    path("ingress/<slug:provider>/<slug:token>/mime", ingress.take, name="ingress"),
    path("", include("postroom.web.signing.urls")),
    path("", include("postroom.web.urls")),
    path("", site.urls),
]
