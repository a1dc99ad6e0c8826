"""One page of 11 bytes, served by bottle."""

import bottle

app = bottle.Bottle()
app.route("/", callback=lambda: "still there")
