#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/runtime/filter.h"

/* What any program may do.  A name that the library does not know is left. */
static const char allowed[] =
    "access alarm arch_prctl arm_fadvise64_64 arm_sync_file_range brk "
    "cachestat cacheflush capget capset chdir chmod chown chown32 chroot "
    "clock_getres clock_getres_time64 clock_gettime clock_gettime64 "
    "clock_nanosleep clock_nanosleep_time64 close close_range "
    "copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl "
    "epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd "
    "eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 "
    "fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 "
    "fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork "
    "fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync "
    "ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait "
    "futex_waitv futex_wake futimesat get_mempolicy get_robust_list "
    "get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 "
    "geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpgid "
    "getpgrp getpid getppid getpriority getrandom getresgid getresgid32 "
    "getresuid getresuid32 getrlimit getrusage getsid gettid gettimeofday "
    "getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init "
    "inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents "
    "io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get "
    "ioprio_set ipc kill landlock_add_rule landlock_create_ruleset "
    "landlock_restrict_self lchown lchown32 lgetxattr link linkat listmount "
    "listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr "
    "lstat lstat64 madvise map_shadow_stack mbind membarrier memfd_create "
    "memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall "
    "mmap mmap2 modify_ldt mount mount_setattr move_mount mprotect "
    "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 "
    "mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget "
    "msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep "
    "newfstatat _newselect oldfstat oldlstat oldolduname oldstat olduname open "
    "open_tree openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 "
    "pivot_root pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 "
    "prctl pread64 preadv preadv2 prlimit64 process_madvise process_mrelease "
    "process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace "
    "pwrite64 pwritev pwritev2 read readahead readdir readlink readlinkat "
    "readv remap_file_pages removexattr removexattrat rename renameat "
    "renameat2 restart_syscall riscv_flush_icache riscv_hwprobe rmdir rseq "
    "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
    "rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo "
    "sched_get_priority_max sched_get_priority_min sched_getaffinity "
    "sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval "
    "sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
    "sched_setparam sched_setscheduler sched_yield seccomp select semctl "
    "semget semop semtimedop semtimedop_time64 sendfile sendfile64 "
    "set_mempolicy set_mempolicy_home_node set_robust_list set_thread_area "
    "set_tid_address set_tls setdomainname setfsgid setfsgid32 setfsuid "
    "setfsuid32 setgid setgid32 setgroups setgroups32 sethostname setitimer "
    "setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid "
    "setresuid32 setreuid setreuid32 setrlimit setsid setuid setuid32 setxattr "
    "setxattrat sgetmask shmat shmctl shmdt shmget sigaction sigaltstack "
    "signal signalfd signalfd4 sigpending sigprocmask sigreturn sigsuspend "
    "splice ssetmask stat stat64 statfs statfs64 statmount statx symlink "
    "symlinkat sync sync_file_range sync_file_range2 syncfs sysinfo tee tgkill "
    "time timer_create timer_delete timer_getoverrun timer_gettime "
    "timer_gettime64 timer_settime timer_settime64 timerfd_create "
    "timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times "
    "tkill truncate truncate64 ugetrlimit umask umount umount2 uname unlink "
    "unlinkat utime utimensat utimensat_time64 utimes vfork vmsplice wait4 "
    "waitid waitpid write writev";

/* In 32-bit programs they are behind one call, whose words cannot be seen. */
static const char sockets[] =
    "accept accept4 bind connect getpeername getsockname getsockopt listen "
    "recvfrom recvmmsg recvmmsg_time64 recvmsg sendmmsg sendmsg sendto "
    "setsockopt shutdown socketpair";

/* Refused by name, so that a program says "not permitted". */
static const char refused[] =
    "acct add_key adjtimex bpf clock_adjtime clock_adjtime64 clock_settime "
    "clock_settime64 delete_module fanotify_init finit_module init_module "
    "ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie "
    "migrate_pages move_pages open_by_handle_at perf_event_open pidfd_getfd "
    "quotactl quotactl_fd reboot request_key settimeofday stime swapoff swapon "
    "sysfs syslog uselib userfaultfd ustat vhangup vm86 vm86old";

/*
 * Left out, and so ENOSYS: clone3(), whose flags lie in memory, where they
 * cannot be seen; glibc and Go then use clone().  fsopen() and its like; who
 * wants a mount then uses mount().  io_uring.
 */

/* A rule for each name of a list. */
static int
list(scmp_filter_ctx ctx, uint32_t action, const char *names)
{
	char name[64];
	size_t n;
	int nr, error;

	for (; *names != '\0'; names += n, names += strspn(names, " ")) {
		n = strcspn(names, " ");
		memcpy(name, names, n);
		name[n] = '\0';
		nr = seccomp_syscall_resolve_name(name);
		if (nr == __NR_SCMP_ERROR)
			continue;
		/* One that this machine has not is no error of ours. */
		error = seccomp_rule_add(ctx, action, nr, 0);
		if (error != 0 && error != -EDOM)
			return error;
	}
	return 0;
}

/*
 * A user namespace gives its maker all capabilities in it, and so the parts of
 * the kernel that only root was ever meant to reach.
 */
static int
namespaces(scmp_filter_ctx ctx)
{
	static const char *const calls[] = { "clone", "unshare", "setns" };
	int error = 0, nr, at;
	size_t i;

	for (i = 0; error == 0 && i < sizeof(calls) / sizeof(calls[0]); i++) {
		nr = seccomp_syscall_resolve_name(calls[i]);
		at = strcmp(calls[i], "setns") == 0;
		error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_CMP(
		    (unsigned)at, SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, 0));
		if (error == 0)
			error = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr,
			    1, SCMP_CMP((unsigned)at, SCMP_CMP_MASKED_EQ,
			    CLONE_NEWUSER, CLONE_NEWUSER));
	}
	return error;
}

/* Linux as it is, or as a 32-bit or an old one, or asked for. */
static int
personalities(scmp_filter_ctx ctx)
{
	static const uint32_t ok[] = { 0, 0x8, 0x20000, 0x20008, 0xffffffff };
	int error = 0;
	size_t i;

	for (i = 0; error == 0 && i < sizeof(ok) / sizeof(ok[0]); i++)
		error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW,
		    SCMP_SYS(personality), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, ok[i]));
	return error;
}

/*
 * No others than these: vsock leads to the host of a virtual machine, and most
 * are parts of the kernel that nobody looks at.
 */
static int
families(scmp_filter_ctx ctx)
{
	static const int ok[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK,
	    AF_PACKET };
	uint32_t action;
	int error = 0, family;
	size_t i;

	for (family = 0; error == 0 && family <= AF_PACKET; family++) {
		action = SCMP_ACT_ERRNO(EAFNOSUPPORT);
		for (i = 0; i < sizeof(ok) / sizeof(ok[0]); i++)
			if (ok[i] == family)
				action = SCMP_ACT_ALLOW;
		error = seccomp_rule_add(ctx, action, SCMP_SYS(socket), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, (unsigned)family));
	}
	if (error == 0)
		error = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT),
		    SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_PACKET));
	return error != 0 ? error : list(ctx, SCMP_ACT_ALLOW, sockets);
}

static int
fill(scmp_filter_ctx ctx, bool with_sockets)
{
	int error;

	error = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (error == 0)
		error = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
		    SCMP_ACT_ERRNO(ENOSYS));
	if (error == 0)
		error = list(ctx, SCMP_ACT_ALLOW, allowed);
	if (error == 0)
		error = list(ctx, SCMP_ACT_ERRNO(EPERM), refused);
	if (error == 0)
		error = namespaces(ctx);
	if (error == 0)
		error = personalities(ctx);
	if (error == 0 && with_sockets)
		error = families(ctx);
	return error;
}

/* The 32-bit programs that this machine runs, too; 0 if it is one itself. */
static uint32_t
narrow(void)
{
	switch (seccomp_arch_native()) {
	case SCMP_ARCH_X86_64:
		return SCMP_ARCH_X86;
	case SCMP_ARCH_AARCH64:
		return SCMP_ARCH_ARM;
	default:
		return 0;
	}
}

int
filter_make(struct fail *f)
{
	scmp_filter_ctx ctx, other = NULL;
	int error = -ENOMEM, fd = -1;

	ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (ctx == NULL)
		goto done;
	error = fill(ctx, true);
	if (error == 0 && narrow() != 0) {
		error = -ENOMEM;
		other = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
		if (other == NULL)
			goto done;
		error = seccomp_arch_add(other, narrow());
		if (error == 0)
			error = seccomp_arch_remove(other, SCMP_ARCH_NATIVE);
		if (error == 0)
			error = fill(other, narrow() != SCMP_ARCH_X86);
		if (error == 0)
			error = seccomp_merge(ctx, other);
		/* Merged, it is gone. */
		if (error == 0)
			other = NULL;
	}
	if (error != 0)
		goto done;
	fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd == -1)
		error = -errno;
	else
		error = seccomp_export_bpf(ctx, fd);
done:
	seccomp_release(other);
	seccomp_release(ctx);
	if (error == 0)
		return fd;
	if (fd != -1)
		close(fd);
	errno = -error;
	return fail_sys(f, EX_OSERR, "filter of system calls");
}

int
filter_set(int fd, struct fail *f)
{
	static struct sock_filter words[BPF_MAXINSNS];
	struct sock_fprog program = { .filter = words };
	ssize_t n;

	n = pread(fd, words, sizeof(words), 0);
	if (n <= 0 || (size_t)n % sizeof(words[0]) != 0)
		return fail_set(f, EX_OSERR, "filter of system calls: none");
	program.len = (unsigned short)((size_t)n / sizeof(words[0]));
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == -1)
		return fail_sys(f, EX_OSERR, "filter of system calls");
	return 0;
}
