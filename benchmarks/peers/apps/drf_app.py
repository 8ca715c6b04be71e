# mypy: ignore-errors
"""djangorestframework-api-key: `python drf_app.py` makes the database and a key; `application` guards one view."""

from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

settings.configure(
    SECRET_KEY="a secret of the benchmarks, 32 bytes",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="drf_app",
    INSTALLED_APPS=["rest_framework_api_key"],
    MIDDLEWARE=[],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "peer.db", "CONN_MAX_AGE": None}},
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    API_KEY_CUSTOM_HEADER="HTTP_X_API_KEY",
)
django.setup()

from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework_api_key.models import APIKey  # noqa: E402
from rest_framework_api_key.permissions import HasAPIKey  # noqa: E402


class Guarded(APIView):
    permission_classes = [HasAPIKey]  # noqa: RUF012 - as its documentation has it

    def get(self, _request):
        return Response({"valid": True})


urlpatterns = [path("", Guarded.as_view())]
application = get_wsgi_application()

if __name__ == "__main__":
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    Path("key").write_text(APIKey.objects.create_key(name="benchmark")[1])
