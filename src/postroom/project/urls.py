"""Which face answers at which address."""

from django.urls import include, path

from postroom.web.site import site

urlpatterns = [
    path("", include("postroom.web.urls")),
    path("", site.urls),
]
