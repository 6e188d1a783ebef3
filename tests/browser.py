"""A browser in a test: asks the console's application itself, without a socket."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI


class Browser:
    """Asks the application itself: no socket, no network.  Keeps its cookies and says where it comes from."""

    def __init__(self, app: FastAPI, origin: str = "http://localhost") -> None:
        self._transport, self._origin = httpx.ASGITransport(app), origin
        self.headers = {"origin": origin, "content-type": "application/json"}
        self.cookies: dict[str, str] = {}

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = httpx.Headers(self.headers)
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers.update(more.pop("headers", {}))

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url=self._origin) as client:
                return await client.request(method, path, headers=headers, **more)

        answer = asyncio.run(ask())
        self.cookies |= dict(answer.cookies)
        return answer

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)
