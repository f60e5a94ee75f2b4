# OWN-20 DMOJ and Kattis: sixty-five thousand entries, pipes and sockets in every folder, names that are no text, folders without rights. HELD when planted; the oracle looks whether all is gone.
import os, socket
made = 0; print("OWN-20 HELD planting", flush=True)
for d in (b".", b"/tmp", b"/dev/shm"):
    odd = [b"\xff\xfe", b"\n\x1b[2J", b"-rf", b"a" * 255, b"..a", "\u202egnp.exe".encode(), b"$(id)", b"%s%n", b"stdout", b"stderr", b"answer"]
    for n in odd:
        try: os.mkfifo(os.path.join(d, n)); made += 1
        except OSError: pass
    try: s = socket.socket(socket.AF_UNIX); s.bind(os.path.join(d, b"sock")); made += 1
    except OSError: pass
    try: os.makedirs(os.path.join(d, b"shut", b"in")); os.chmod(os.path.join(d, b"shut"), 0); made += 1
    except OSError: pass
for i in range(65536):
    try: (os.mkdir if i % 3 else os.mkfifo)("e%d" % i); made += 1
    except OSError: break
try: os.chmod(".", 0)
except OSError: pass
print("made", made)
