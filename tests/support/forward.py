"""Stands before Docker's socket: forward.py SOCKET unix PATH, or forward.py SOCKET tls PORT CERTIFICATE KEY AUTHORITY."""

import select
import socket
import ssl
import sys
import threading


def pump(client, engine):
    """Until the engine has ended its side; one thread, because the two directions of TLS share a state."""
    open_ends = [client, engine]
    while engine in open_ends:
        waiting = isinstance(client, ssl.SSLSocket) and client in open_ends and client.pending()
        ready = [client] if waiting else select.select(open_ends, [], [])[0]
        for end in ready:
            data = end.recv(65536)
            if data:
                (engine if end is client else client).sendall(data)
                continue
            open_ends.remove(end)
            if end is client:
                engine.shutdown(socket.SHUT_WR)


def serve(client, path, context):
    engine = socket.socket(socket.AF_UNIX)
    try:
        if context:
            client = context.wrap_socket(client, server_side=True)
        engine.connect(path)
        pump(client, engine)
        if context:
            # Says that this is the end; whether the other side says so, too, is its business.
            client.settimeout(0.1)
            client.unwrap()
    except OSError:
        pass
    client.close()
    engine.close()


def main():
    engine, kind, at = sys.argv[1:4]
    context = None
    if kind == "tls":
        certificate, key, authority = sys.argv[4:]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_REQUIRED
        listener = socket.create_server(("127.0.0.1", int(at)), backlog=64)
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(at)
        listener.listen(64)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, engine, context), daemon=True).start()


main()
