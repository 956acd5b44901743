"""What a sandbox tries to do to its host: a line for each, "name: outcome".

Run in the sandbox, as its root and as its user, "calls" or "net" and words
NAME=ADDRESS of what it connects to: HOST:PORT, or @NAME, an abstract socket.
An outcome is an errno's name or "done"; the test says which it wants.
"""
import ctypes, errno, mmap, os, platform, socket, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
# x86-64's, and those of the common table.
NUMBERS = {
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "bpf": (321, 280), "perf_event_open": (298, 241),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "open_by_handle_at": (304, 265),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142),
    "settimeofday": (164, 170), "clock_settime": (227, 112),
    "acct": (163, 89), "quotactl": (179, 60), "syslog": (103, 116),
    "fanotify_init": (300, 262), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "fsopen": (430, 430), "fspick": (433, 433),
    "clone3": (435, 435), "no such call": (999, 999),
}
CLONE_NEWNS, CLONE_NEWUSER, SIGCHLD = 0x20000, 0x10000000, 17
UNSHARE, SETNS, CLONE, PERSONALITY = (272, 308, 56, 135) if X86 else (97, 268, 220, 92)


def say(name, outcome):
    print("%s: %s" % (name, outcome))


def call(name, *words):
    """A bare system call; what it must not do it does in a process that ends."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        r = libc.syscall(*[ctypes.c_long(w) for w in words])
        os._exit(0 if r == -1 and ctypes.get_errno() == 0 else
                 ctypes.get_errno() if r == -1 else 255)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    say(name, "done" if code == 255 else errno.errorcode.get(code, code))


def opens(name, family):
    try:
        socket.socket(family, socket.SOCK_STREAM).close()
        say(name, "done")
    except OSError as e:
        say(name, errno.errorcode.get(e.errno, e.errno))


def narrow(name, number, *words):
    """The same by the gate of 32-bit programs, which a 64-bit one may use."""
    words = list(words) + [0] * (3 - len(words))
    code = (b"\x53" b"\xb8" + struct.pack("<I", number) +
            b"\xbb" + struct.pack("<I", words[0]) +
            b"\xb9" + struct.pack("<I", words[1]) +
            b"\xba" + struct.pack("<I", words[2]) +
            b"\xcd\x80" b"\x48\x98" b"\x5b\xc3")
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE |
                     mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE |
                     mmap.MAP_ANONYMOUS | 0x40)
    page.write(code)
    at = ctypes.addressof(ctypes.c_char.from_buffer(page))
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        r = ctypes.CFUNCTYPE(ctypes.c_long)(at)()
        os._exit(255 if r >= 0 else -r)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    say(name, "done" if code == 255 else errno.errorcode.get(code, code))


def calls():
    for name in sorted(NUMBERS):
        call(name, NUMBERS[name][0 if X86 else 1], 0, 0, 0, 0, 0)
    call("unshare, user", UNSHARE, CLONE_NEWUSER)
    call("unshare, user and mount", UNSHARE, CLONE_NEWUSER | CLONE_NEWNS)
    call("clone, user", CLONE, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)
    call("setns, user", SETNS, os.open("/proc/self/ns/user", os.O_RDONLY),
         CLONE_NEWUSER)
    call("no random addresses", PERSONALITY, 0x40000)
    for name, family in (("vsock", 40), ("alg", 38), ("x25", 9), ("can", 29),
                         ("tipc", 30), ("any", 0)):
        opens("socket " + name, family)
    for name, family in (("unix", 1), ("inet", 2), ("inet6", 10)):
        opens("socket " + name, family)
    if X86:
        narrow("32-bit getpid", 20)
        narrow("32-bit keyctl", 288)
        narrow("32-bit unshare, user", 310, CLONE_NEWUSER)
        narrow("32-bit socket vsock", 359, 40, 1, 0)
        narrow("32-bit socketcall", 102, 1, 0)
        # x32's numbers have this bit.
        call("x32 keyctl", 0x40000000 | 250, 0, 0, 0, 0, 0)


def attempt(name, f):
    try:
        f()
        say(name, "done")
    except OSError as e:
        say(name, errno.errorcode.get(e.errno, e.errno))


def mount(name, what, at, kind, flags):
    def f():
        if libc.mount(what, at, kind, flags, None) == -1:
            raise OSError(ctypes.get_errno(), "mount")
    attempt(name, f)


def paths():
    """What is covered is empty, and cannot be uncovered."""
    shown = []
    for at in ("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore",
               "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
               "/proc/scsi", "/proc/timer_list", "/sys/firmware",
               "/sys/devices/virtual/powercap"):
        for again in 0, 1:
            try:
                if os.path.isdir(at) and os.listdir(at):
                    shown.append(at)
                elif os.path.isfile(at) and open(at, "rb").read(1):
                    shown.append(at)
            except OSError:
                pass
            libc.umount2(at.encode(), 2)
    say("shown", " ".join(shown))
    for at in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
               "/proc/sys/net/ipv4/ip_unprivileged_port_start",
               "/proc/irq/default_smp_affinity", "/sys/kernel/mm/ksm/run"):
        if os.path.exists(at):
            attempt("write " + at, lambda: open(at, "w").close())
    # MS_REMOUNT | MS_BIND, without MS_RDONLY.
    for at in "/proc/sys", "/sys", "/usr/local/bin":
        mount("remount " + at, None, at.encode(), None, 32 | 4096)
    for kind in "proc", "sysfs", "debugfs", "bpf", "ext4":
        mount("mount " + kind, b"none", b"/mnt", kind.encode(), 0)
    # Its own group may be looked at; that it is in there is not its to change.
    libc.mount(b"none", b"/mnt", b"cgroup2", 0, None)
    attempt("group", lambda: os.mkdir("/mnt/group"))
    attempt("limit", lambda: open("/mnt/cgroup.procs", "w").close())
    libc.umount2(b"/mnt", 2)
    attempt("disk", lambda: os.mknod("/tmp/disk-%d" % os.getuid(), 0o60666,
                                     os.makedev(7, 0)))
    for pid in "1", "self":
        attempt("init %s" % pid if pid == "1" else "itself",
                lambda: os.readlink("/proc/%s/root" % pid))
    attempt("memory of init", lambda: open("/proc/1/mem", "rb").close())


def net(places):
    say("interfaces", " ".join(sorted(os.listdir("/sys/class/net"))))
    for place in places:
        name, at = place.split("=", 1)
        if at[0] == "@":
            s = socket.socket(socket.AF_UNIX)
            at = "\0" + at[1:]
        else:
            s = socket.socket()
            at = (at.rsplit(":", 1)[0], int(at.rsplit(":", 1)[1]))
        s.settimeout(2)
        try:
            s.connect(at)
            say(name, s.recv(100).decode().strip())
        except socket.timeout:
            say(name, "ETIMEDOUT")
        except OSError as e:
            say(name, errno.errorcode.get(e.errno, e.errno))
        s.close()


if sys.argv[1] == "calls":
    calls()
    paths()
else:
    net(sys.argv[2:])
