"""Addresses of signing in. Their names are those that allauth asks for, so they have no namespace."""

from __future__ import annotations

from allauth.mfa.recovery_codes.views import download_recovery_codes
from django.conf import settings
from django.urls import include, path

from postroom.web.signing import views
from postroom.web.site import site

urlpatterns = [
    path("login/", site.login, name="account_login"),
    path("login/code/", views.SecondStep.as_view(), name="mfa_authenticate"),
    path("login/forgotten/", views.Forgotten.as_view(), name="admin_password_reset"),  # unfold looks for it
    path("login/new-password/<str:uidb64>/<str:token>/", views.NewPassword.as_view(), name="new_password"),
    path("security/", views.security, name="mfa_index"),
    path("security/everywhere/", views.everywhere, name="sign_out_everywhere"),
    path("security/again/", views.Again.as_view(), name="account_reauthenticate"),
    path("security/again/code/", views.AgainByCode.as_view(), name="mfa_reauthenticate"),
    path("security/code/on/", views.SwitchOn.as_view(), name="mfa_activate_totp"),
    path("security/code/off/", views.SwitchOff.as_view(), name="mfa_deactivate_totp"),
    path("security/recovery/", views.Codes.as_view(), name="mfa_view_recovery_codes"),
    path("security/recovery/new/", views.NewCodes.as_view(), name="mfa_generate_recovery_codes"),
    path("security/recovery/download/", download_recovery_codes, name="mfa_download_recovery_codes"),
]
if settings.POSTROOM.oidc_issuer:
    urlpatterns += [
        path("", include("allauth.socialaccount.providers.openid_connect.urls")),
        path("sign-in/cancelled/", views.refused, name="socialaccount_login_cancelled"),
        path("sign-in/error/", views.refused, name="socialaccount_login_error"),
        path("sign-in/unknown/", views.refused, name="socialaccount_signup"),
        path("sign-in/connections/", views.security, name="socialaccount_connections"),
    ]
