#!/bin/sh
# Installing a package must not start its service: in an image there is nothing to run it.
exit 101
