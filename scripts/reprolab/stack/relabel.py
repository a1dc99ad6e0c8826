"""The script that gives a wheel another version. It runs in a build, needs only Python, and changes no code of it."""

SCRIPT = r"""
import base64, hashlib, os, re, sys, zipfile

folder, version = sys.argv[1:]
(old,) = [name for name in os.listdir(folder) if name.endswith(".whl")]
project, built, rest = old.split("-", 2)
before, after = "%s-%s." % (project, built), "%s-%s." % (project, version)
rows = []

with zipfile.ZipFile(os.path.join(folder, old)) as source, zipfile.ZipFile(
    os.path.join(folder, "-".join([project, version, rest])), "w", zipfile.ZIP_DEFLATED
) as target:
    for item in source.infolist():
        content, name = source.read(item), item.filename
        if name.startswith(before):
            # NAME-VERSION.dist-info and NAME-VERSION.data
            name = after + name[len(before):]
        if name == after + "dist-info/RECORD":
            continue
        if name == after + "dist-info/METADATA":
            content = re.sub(br"(?m)^Version: [^\r\n]*", b"Version: " + version.encode(), content, count=1)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append("%s,sha256=%s,%d" % (name, digest, len(content)))
        item.filename = name
        target.writestr(item, content)
    rows.append(after + "dist-info/RECORD,,")
    target.writestr(after + "dist-info/RECORD", "\n".join(rows) + "\n")
os.remove(os.path.join(folder, old))
"""
