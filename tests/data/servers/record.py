"""Record what each server says of its workers: the files NAME.log in this directory.

    python tests/data/servers/record.py gunicorn-20=IMAGE gunicorn-23=IMAGE uwsgi-2=IMAGE uvicorn-0=IMAGE nginx-1=IMAGE

IMAGE is an image of the lab that holds the server in that release. Each server runs with two workers: a worker is
killed, the server is told to reload and then to stop; gunicorn also has a worker that reaches max_requests, one that is
too slow, and a changed file. A log is what the engine hands out, with its timestamps. h2o's log is in ../runs.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
WSGI = """
import time
def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(30)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
ASGI = """
async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
"""
NGINX = """
daemon off; pid /tmp/nginx.pid; error_log stderr notice; worker_processes 2; events { worker_connections 64; }
http { access_log off; client_body_temp_path /tmp/1; proxy_temp_path /tmp/2; fastcgi_temp_path /tmp/3;
  uwsgi_temp_path /tmp/4; scgi_temp_path /tmp/5; server { listen 8000; location / { proxy_pass http://127.0.0.1:9; } } }
"""
COMMANDS = {
    "gunicorn": "gunicorn app:application --bind 0.0.0.0:8000 --workers 2 --timeout 3 --max-requests 5 --reload",
    "uwsgi": "uwsgi --http-socket 0.0.0.0:8000 --module app:application --master --processes 2 --die-on-term",
    "uvicorn": "uvicorn app:application --host 0.0.0.0 --port 8000 --workers 2",
    "nginx": "nginx -c /tmp/work/nginx.conf",
}
ASK = "timeout 8 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8000; printf \"GET {} HTTP/1.0\\r\\n\\r\\n\" >&3; cat <&3' || true"
# The newest child of the server, which is a worker.
KILL = "kill -KILL $(for f in /proc/[0-9]*/stat; do set -- $(cat $f); [ $4 = {master} ] && echo $1; done | tail -n 1)"


def main(images: dict[str, str]) -> None:
    """Record each server that was named."""
    for name, image in images.items():
        (HERE / f"{name}.log").write_bytes(record(name.partition("-")[0], image))


def record(server: str, image: str) -> bytes:
    """Run one server, do to it what it has words for, and return its log."""
    files = {"app.py": ASGI if server == "uvicorn" else WSGI, "nginx.conf": NGINX}
    wrote = "".join(f"cat > {name} <<'END'\n{text}END\n" for name, text in files.items())
    script = f"mkdir -p /tmp/work && cd /tmp/work\n{wrote}exec {COMMANDS[server]}"
    started = ["docker", "run", "--detach", "--init", "--env", "PYTHONUNBUFFERED=1", "--entrypoint", "bash"]
    name = run(*started, image, "-c", script).decode().strip()
    try:
        time.sleep(4)
        for step in steps(server, master(name)):
            run("docker", "exec", name, "bash", "-c", step)
            time.sleep(3)
        run("docker", "stop", "--time", "20", name)
        return run("docker", "logs", "--timestamps", name, both=True)
    finally:
        run("docker", "rm", "--force", "--volumes", name)


def steps(server: str, pid: str) -> list[str]:
    """The shell commands that make a server speak."""
    always = [ASK.format("/"), KILL.format(master=pid), f"kill -HUP {pid}"]
    if server == "gunicorn":
        return ["; ".join([ASK.format("/")] * 12), ASK.format("/slow"), *always, "touch /tmp/work/app.py; sleep 3"]
    return always


def master(name: str) -> str:
    """The pid of the server, in the container's own count: the child of its first process."""
    found = run("docker", "exec", name, "bash", "-c", "cat /proc/[0-9]*/stat 2>/dev/null; true").decode().splitlines()
    return next(line.split()[0] for line in found if line.rpartition(")")[2].split()[1] == "1")


def run(*command: str, both: bool = False) -> bytes:
    """What a command prints; with ``both``, on its two streams."""
    errors = subprocess.STDOUT if both else None
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=errors).stdout


if __name__ == "__main__":
    main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
