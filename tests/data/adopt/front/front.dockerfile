ARG PYTHON_IMAGE=python:3.12.1-slim-bookworm
FROM ${PYTHON_IMAGE}
COPY front.py /srv/front.py
USER 1000
CMD ["python3", "-u", "/srv/front.py"]
