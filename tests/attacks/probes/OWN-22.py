# OWN-22 terminals and pages (CVE-2003-0063 and its children, "Trojan Source" CVE-2021-42574): escape sequences, links, titles, bidi controls, NUL, half of a character, a line of 100 kB, on every way to a page.
import sys
evil = "\x1b[2J\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x9b31m\x08\x7f\u202e\u2066\u200f\u2028\u2029\ufeff\x00\r<script>alert(1)</script>{{7*7}}${7*7}"
sys.stderr.buffer.write(("OWN-22 HELD printed " + evil + "\n").encode() + b"\xff\xc3\xe2\x80\n" + b"A" * 100_000 + b"\n" + evil.encode() + b"\nOWN-22 HELD to the end\n")
sys.stdout.buffer.write((evil + "\n").encode())
sys.stdout.flush()
