"""The document's views, and the lab's own."""

import document
from django.urls import path

from lab import views

urlpatterns = [
    path("", views.index),
    path("document/thread", document.sleep_thread_test),
    path("document/cpu", document.cpu_test),
    path("thread/<str:name>/<int:seconds>", views.thread),
    path("hold/<int:seconds>", views.hold),
    path("state/<str:name>", views.state),
    path("busy/<int:milliseconds>", views.busy),
]
