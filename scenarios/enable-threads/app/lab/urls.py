"""The URLs. Those below `document/` lead to the two views of the document."""

from django.urls import path

from lab import views

urlpatterns = [
    path("", views.index),
    path("document/thread", views.thread, {"name": "document", "seconds": 0}),
    path("document/cpu", views.page),
    path("style.css", views.style),
    path("thread/<str:name>/<int:seconds>", views.thread),
    path("hold/<int:seconds>", views.hold),
    path("state/<str:name>", views.state),
    path("busy/<int:milliseconds>", views.busy),
]
