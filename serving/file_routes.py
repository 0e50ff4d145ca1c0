"""File routes: routes that answer with a file, as strict about their requests as the others."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from serving.strict_requests import check_query


class FileRoute(APIRoute):
    """A route that gives the form its address names, whatever the client would rather have."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        params = get_flat_params(self.dependant)
        known = {param.alias for param in params if isinstance(param.field_info, Query)}

        async def strict(request: Request) -> Response:
            check_query(request, known)
            return await handle(request)

        return strict
