"""Starts the document's application from a file that is not the application."""

import uvicorn

if __name__ == "__main__":
    uvicorn.run("main:app", workers=3, host="0.0.0.0", port=8000, reload=False)
