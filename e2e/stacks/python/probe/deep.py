"""Uses what the standard library loads late, one thing a call.

The names of the functions are the arguments; what they return is printed.
"""

import sys


def codecs():
    import encodings, pkgutil, codecs
    names = sorted(m.name for m in pkgutil.iter_modules(encodings.__path__))
    return " ".join(n for n in names if _works(codecs.lookup, n))


def packages():
    """Import every module of every installed package."""
    import importlib, pkgutil, site
    done, failed = 0, []
    for m in pkgutil.walk_packages(site.getsitepackages() + ["/usr/lib/python3/dist-packages"], onerror=failed.append):
        if m.name.split(".")[-1] == "__main__":
            continue
        try:
            importlib.import_module(m.name)
            done += 1
        except BaseException as error:
            failed.append(f"{m.name}: {type(error).__name__}: {error}")
    return done > 50, sorted(set(failed))


def sqlite():
    import sqlite3
    db = sqlite3.connect(":memory:")
    db.execute("create virtual table t using fts5(text)")
    db.execute("insert into t values ('never recorded')")
    return db.execute("select json_object('n', count(*)), sqlite_version() from t where t match 'recorded'").fetchall()


def tls():
    """Speak TLS with itself, over a pair of sockets."""
    import socket, ssl, threading
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain("/probe/tls.crt", "/probe/tls.key")
    client = ssl.create_default_context(cafile="/probe/tls.crt")
    a, b = socket.socketpair()

    def answer():
        with server.wrap_socket(a, server_side=True) as s:
            s.sendall(s.recv(100).upper())

    threading.Thread(target=answer).start()
    with client.wrap_socket(b, server_hostname="localhost") as s:
        s.sendall(b"over tls")
        return s.version(), s.recv(100)


def subprocess():
    import subprocess
    return subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout


def processes():
    import multiprocessing
    out = []
    for how in multiprocessing.get_all_start_methods():
        with multiprocessing.get_context(how).Pool(2) as pool:
            out.append((how, pool.map(abs, [-1, -2])))
    return out


def threads():
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(abs, [-1, -2]))


def asynchronous():
    import asyncio

    async def main():
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        got = await reader.read()
        writer.close()
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(1)", stdout=asyncio.subprocess.PIPE)
        return got, (await child.communicate())[0]

    return asyncio.run(main())


def calls():
    import ctypes
    c = ctypes.CDLL("libc.so.6")
    m = ctypes.CDLL("libm.so.6")
    m.cos.restype, m.cos.argtypes = ctypes.c_double, [ctypes.c_double]
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n + 1)
    return c.abs(-3), m.cos(0.0), callback(1), ctypes.CDLL("libcrypto.so.3").OPENSSL_version_major()


def names():
    import grp, pwd, socket
    return (pwd.getpwnam("www-data").pw_dir, grp.getgrgid(0).gr_name, _works(socket.getservbyname, "https"),
            socket.getaddrinfo("localhost", 80, socket.AF_INET, socket.SOCK_STREAM))


def zones():
    import zoneinfo
    return len([zoneinfo.ZoneInfo(name) for name in sorted(zoneinfo.available_timezones())])


def hashes():
    import hashlib
    return [(n, hashlib.new(n).name) for n in sorted(hashlib.algorithms_available) if _works(hashlib.new, n)]


def packing():
    import bz2, gzip, lzma, tarfile, zipfile, zlib, io
    text = b"lathe" * 100
    out = [m.decompress(m.compress(text)) == text for m in (bz2, gzip, lzma, zlib)]
    for mode in ("gz", "bz2", "xz"):
        with tarfile.open(fileobj=io.BytesIO(), mode="w:" + mode) as t:
            t.addfile(tarfile.TarInfo("a"))
    with zipfile.ZipFile(io.BytesIO(), "w", zipfile.ZIP_LZMA) as z:
        z.writestr("a", text)
    return out


def documents():
    import xml.etree.ElementTree, xml.sax, xml.dom.minidom, html.parser, json, tomllib, configparser, csv, plistlib
    tree = xml.etree.ElementTree.fromstring("<a><b/></a>")
    return tree[0].tag, xml.dom.minidom.parseString("<a/>").toxml(), tomllib.loads("a = 1"), plistlib.loads(plistlib.dumps([1]))


def terminal():
    import curses
    curses.setupterm("xterm", 1)
    return curses.tigetnum("colors"), curses.tigetstr("clear")


def storage():
    import dbm.dumb, mmap, os, shelve, tempfile
    with tempfile.TemporaryDirectory() as d:
        with shelve.open(os.path.join(d, "s")) as s:
            s["a"] = [1]
        with tempfile.TemporaryFile() as f:
            f.write(b"abc")
            f.flush()
            with mmap.mmap(f.fileno(), 0) as m:
                return bytes(m), sorted(n for n in ("dbm.gnu", "dbm.ndbm", "dbm.dumb") if _works(__import__, n))


def text():
    import decimal, difflib, email.message, locale, mimetypes, statistics, string, textwrap, unicodedata, uuid
    message = email.message.EmailMessage()
    message.set_content("Grüße")
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    return (decimal.Decimal(1) / 7, unicodedata.name("ü"), mimetypes.guess_type("a.svg"), message.get_content_charset(),
            str(uuid.uuid5(uuid.NAMESPACE_DNS, "lathe")), locale.nl_langinfo(locale.CODESET))


def errors():
    import faulthandler, logging.config, traceback, tracemalloc, pdb, cProfile, unittest, doctest
    try:
        1 / 0
    except ZeroDivisionError:
        return traceback.format_exc().splitlines()[-1]


def application():
    """What Flask loads for templates, sessions and its commands."""
    import flask, flask.cli, click.testing
    app = flask.Flask("deep")
    app.secret_key = "lathe"

    @app.route("/")
    def index():
        flask.session["n"] = 1
        flask.flash("once")
        return flask.render_template_string("{% for n in range(3) %}{{ n|title }}{% endfor %} {{ get_flashed_messages() }}")

    answer = app.test_client().get("/")
    commands = click.testing.CliRunner().invoke(flask.cli.cli, ["--help"])
    return answer.data, "session=" in answer.headers["Set-Cookie"], commands.exit_code


def _works(f, *args):
    try:
        f(*args)
    except Exception:
        return False
    return True


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, globals()[name]())
