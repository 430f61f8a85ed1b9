"""REST, version 1: what people do on the pages, for programs. OpenAPI at /api/v1/openapi.json, documentation at /api/v1/docs.

Laws: the same flows and the same reads as the pages, so the same rights; what is not visible is 404; lists are cut into pages by cursors
(``next``), never counted; a change by session needs the CSRF token, a change by key does not.
"""
