"""The URLs: one shows that the server is up, the other runs the tasks."""

from django.urls import path

from lab import views

urlpatterns = [path("", views.index), path("run/<int:number>", views.run)]
