"""A small web application that reaches for more of Python than it starts with.

Every route but / loads something late: a module of the standard library, a
time zone, a locale, the certificates. A profile that saw only some of them
must not break the others.
"""

import datetime
import importlib
import locale
import ssl
import sys
import zoneinfo

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.get("/")
def index():
    return "It serves.\n"


@app.get("/time")
def time():
    zone = zoneinfo.ZoneInfo(request.args.get("zone", "Europe/Berlin"))
    noon = datetime.datetime(2025, 7, 1, 12, tzinfo=datetime.timezone.utc)
    return jsonify(zone=zone.key, time=noon.astimezone(zone).isoformat())


@app.get("/module")
def module():
    name = request.args.get("name", "json")
    if name.split(".")[0] not in sys.stdlib_module_names:
        return jsonify(error="not in the standard library"), 404
    return jsonify(module=importlib.import_module(name).__name__)


@app.get("/modules")
def modules():
    """Import the whole standard library and say what could not be."""
    failed = []
    for name in sorted(sys.stdlib_module_names - {"antigravity", "this", "__main__"}):
        try:
            importlib.import_module(name)
        except BaseException as error:  # some modules exit where they do not fit
            failed.append(f"{name}: {type(error).__name__}")
    return jsonify(failed=failed)


@app.get("/tls")
def tls():
    context = ssl.create_default_context()
    return jsonify(authorities=len(context.get_ca_certs()), version=ssl.OPENSSL_VERSION)


@app.get("/locale")
def set_locale():
    return jsonify(locale=locale.setlocale(locale.LC_ALL, request.args.get("name", "C.UTF-8")))


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=8000)
