"""What no ordinary SFTP client does, over paramiko: client.py PORT USER PASSWORD WHAT [ARGUMENT...]

Prints `ready` when it has done the first half of what has two, and goes on when a line comes in.
"""

import base64
import logging
import os
import sys

import paramiko

# What the other side says is in the exception; threads of a session that was cut off need not say it again.
logging.disable(logging.CRITICAL)

port, user, password, what, *rest = sys.argv[1:]
transport = paramiko.Transport(("127.0.0.1", int(port)))
transport.banner_timeout = transport.auth_timeout = 120
transport.start_client(timeout=120)
transport.auth_password(user, password)
sftp = paramiko.SFTPClient.from_transport(transport)


def wait():
    print("ready", flush=True)
    sys.stdin.readline()


def attempt(name, call):
    """One line for each attempt: done, or refused."""
    try:
        call()
        print(name, "done")
    except (IOError, EOFError, paramiko.SSHException) as error:
        print(name, "refused", error)


if what == "put":
    name, text = rest
    with sftp.open(name, "w") as file:
        file.write(text)
elif what == "rename":
    # As FileZilla, WinSCP and Cyberduck do it: a temporary name, then the right one.
    temporary, name, text = rest
    with sftp.open(temporary, "w") as file:
        file.write(text)
    sftp.rename(temporary, name)
elif what == "resume":
    name, text = rest
    half = len(text) // 2
    with sftp.open(name, "w") as file:
        file.write(text[:half])
    wait()
    with sftp.open(name, "a") as file:
        file.write(text[half:])
elif what == "slow":
    name, text = rest
    half = len(text) // 2
    file = sftp.open(name, "w")
    file.write(text[:half])
    file.flush()
    wait()
    file.write(text[half:])
    file.close()
elif what == "hold":
    # Renamed while it is open, and written to when somebody else thinks that it is whole.
    temporary, name, first, second = rest
    file = sftp.open(temporary, "w")
    file.write(first)
    file.flush()
    # A rename of the file system's; what the protocol itself calls so is a link and an unlink in OpenSSH.
    sftp.posix_rename(temporary, name)
    wait()
    for _ in range(50):
        file.seek(0)
        file.write(second)
        file.flush()
    wait()
elif what == "truncate":
    # fsetstat: a terabyte of nothing.
    name, size = rest
    file = sftp.open(name, "w")
    file.write("#")
    attempt("truncate", lambda: (file.truncate(int(size)), file.stat()))
elif what == "grow":
    name = rest[0]
    file = sftp.open(name, "w")
    file.set_pipelined(True)

    def grow():
        for _ in range(64):
            file.write(b"#" * (1 << 20))
            file.flush()
            file.stat()

    attempt("grow", grow)
elif what == "names":
    for name in rest:
        name = base64.b64decode(name)
        attempt(base64.b64encode(name).decode(), lambda: sftp.open(name, "w").close())
elif what == "links":
    # Pairs of a target and a name.
    for target, name in zip(rest[::2], rest[1::2]):
        attempt("symlink", lambda: sftp.symlink(target, name))
elif what == "mtime":
    name, text, when = rest
    with sftp.open("." + name, "w") as file:
        file.write(text)
    sftp.utime("." + name, (int(when), int(when)))
    sftp.rename("." + name, name)
elif what == "look":
    # Everything that can be reached from here.
    for path in rest:
        try:
            print(path, sorted(sftp.listdir(path)))
        except IOError as error:
            print(path, "refused", error)
elif what == "forward":
    for kind, target in [("direct-tcpip", ("127.0.0.1", int(port))), ("session", None)]:
        try:
            channel = transport.open_channel(kind, target, ("127.0.0.1", 1), timeout=20)
            if kind == "session":
                channel.get_pty()
            print(kind, "open")
        except Exception as error:
            print(kind, "refused", error)
    channel = transport.open_session(timeout=20)
    channel.exec_command("id; cat /etc/passwd")
    channel.settimeout(20)
    try:
        print("exec", repr(channel.recv(100)))
    except Exception as error:
        print("exec silent", error)
else:
    sys.exit(f"what is {what}?")
# Not in order: a session that hangs must not keep the test.
sys.stdout.flush()
os._exit(0)
