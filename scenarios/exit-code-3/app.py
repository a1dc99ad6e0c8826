"""What the container serves. A POST to /orphan leaves a process whose parent has ended, so that process 1 adopts it."""

import subprocess


def app(environ, start_response):
    """Answer; for /orphan, after a shell has started child.sh in the background and has ended."""
    if environ["PATH_INFO"] == "/orphan":
        subprocess.run(["sh", "-c", "sh /srv/app/child.sh &"], check=True)
    body = b"served\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
