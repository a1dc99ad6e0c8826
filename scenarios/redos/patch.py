"""Changes the pattern by which the installed waitress checks a header, for the variants that prove the cause.

once      what fills the value comes at most once, and may have two characters (in 1.4.2 it comes any number of times)
repeated  the two expressions of 1.4.2 (in 1.4.3 what fills the value comes at most once)

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys

# What fills a value: a visible character, and perhaps more that ends with one. The value of 1.4.2 repeats all that.
CONTENT = 'FIELD_CONTENT = FIELD_VCHAR + "([ \\t" + VCHAR + OBS_TEXT + "]%s" + FIELD_VCHAR + "){,1}"\n'
VALUE = 'FIELD_VALUE = "(" + FIELD_CONTENT + "){%s}"\n'
# What 1.4.3 has in place of these two.
LATER = 'FIELD_CONTENT = FIELD_VCHAR + "+(?:[ \\t]+" + FIELD_VCHAR + "+)*"\n', 'FIELD_VALUE = "(?:" + FIELD_CONTENT + ")?"\n'
# Pairs of what stands there once and what takes its place.
PATCHES = {
    "once": [(CONTENT % "+", CONTENT % "*"), (VALUE % "0,", VALUE % ",1")],
    "repeated": [(LATER[0], CONTENT % "+"), (LATER[1], VALUE % "0,")],
}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name not in PATCHES:
        sys.exit("unknown patch %r: expected none, %s" % (name, ", ".join(sorted(PATCHES))))
    import waitress.rfc7230

    path = waitress.rfc7230.__file__
    with open(path) as stream:
        text = stream.read()
    for old, new in PATCHES[name]:
        if text.count(old) != 1:
            sys.exit("the patch %s does not fit this release" % name)
        text = text.replace(old, new)
    with open(path, "w") as stream:
        stream.write(text)
    print("patched %s: %s" % (path, name))


if __name__ == "__main__":
    main(sys.argv[1])
