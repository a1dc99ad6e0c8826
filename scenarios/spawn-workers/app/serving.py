"""Starts uvicorn with the application `app` of main.py."""

import multiprocessing

import settings
import uvicorn


def serve():
    """Run the server until it is stopped."""
    if settings.START_METHOD is not None:
        multiprocessing.set_start_method(settings.START_METHOD)
    uvicorn.run("main:app", port=8000, host="0.0.0.0", reload=settings.RELOAD, workers=settings.WORKERS)
