"""Which face answers at which address."""

from django.urls import include, path

from postroom.api.v1.api import api
from postroom.web.site import site

urlpatterns = [
    path("api/v1/", api.urls),
    path("", include("postroom.web.urls")),
    path("", site.urls),
]
