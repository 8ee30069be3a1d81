"""Types into a command in a terminal of its own: terminal.py COMMAND... Ends with the command's status; 99 when an answer is missing."""
import fcntl, os, pty, select, struct, sys, termios, time

ROWS, COLUMNS = 33, 99


def size(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def expect(text):
    global seen
    deadline = time.monotonic() + 20
    while text not in seen:
        if not select.select([master], [], [], max(0, deadline - time.monotonic()))[0]:
            sys.stderr.write("missing %r in %r\n" % (text, seen))
            os._exit(99)
        try:
            seen += os.read(master, 65536)
        except OSError:
            sys.stderr.write("ended before %r in %r\n" % (text, seen))
            os._exit(99)
    seen = seen[seen.index(text) + len(text):]


pid, master = pty.fork()
if pid == 0:
    # Starts once the terminal has its size.
    sys.stdin.readline()
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b""
size(ROWS, COLUMNS)
os.write(master, b"\n")
os.write(master, b"echo rea''dy\n")
expect(b"ready")
os.write(master, b"busybox stty size\n")
expect(b"%d %d" % (ROWS, COLUMNS))
size(21, 55)
# The change travels; nothing tells when it has arrived but the size itself.
os.write(master, b"until busybox stty size | busybox grep '21 55'; do sleep 0.1; done; echo res''ized\n")
expect(b"resized")
os.write(master, b"trap 'echo cau''ght' INT; echo wai''ting; sleep 1000\n")
expect(b"waiting")
os.write(master, b"\x03")
expect(b"caught")
os.write(master, b"echo stil''l here\n")
expect(b"still here")
os.write(master, b"exit 5\n")
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
