"""The URLs of the views."""

from django.urls import re_path

from lab import views

urlpatterns = [
    re_path(r"^sleep/([\d.]+)/?$", views.sleep),
    re_path(r"^compute/([\d.]+)/?$", views.compute),
    re_path(r"^stubborn/([\d.]+)/?$", views.stubborn),
    re_path(r"^env/(\w+)/?$", views.env),
    re_path(r"^spewed/?$", views.spewed),
    re_path(r"^late/?$", views.late),
    re_path(r"", views.who),
]
