# -*- coding:utf-8 -*-
from bottle import route, run, default_app

@route('/')
def index():
  return 'Hello World'

app = default_app()
