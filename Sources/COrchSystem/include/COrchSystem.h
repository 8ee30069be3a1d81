// System calls that Swift cannot make itself (fork and exec), that its C library overlay lacks (pidfd, signalfd), or that
// an Embedded Swift program needs without that overlay. Every function returns a value of at least 0, or -errno.
#pragma once
#include <stddef.h>
#include <stdint.h>

// MARK: Starting a program

/// What stands between fork and exec. Arrays end with NULL.
struct orch_spawn {
    const char *_Nonnull program;
    char *_Nullable const *_Nonnull argv;
    char *_Nullable const *_Nonnull envp;
    /// NULL keeps the caller's.
    const char *_Nullable workdir;
    /// Descriptors that become 0, 1 and 2; -1 for /dev/null.
    int stdio[3];
    /// Becomes the leader of a session and a process group of its own.
    int new_session;
    /// Descriptor 0 is a terminal that becomes the session's own.
    int terminal;
    int set_user;
    uint32_t uid, gid;
    const uint32_t *_Nullable groups;
    size_t group_count;
    /// Descriptors of `cgroup.procs` files that the child enters before it executes.
    const int *_Nullable cgroups;
    size_t cgroup_count;
    /// RLIMIT_NOFILE; 0 keeps it.
    uint64_t open_files;
};

/// The step that failed, for the message.
enum orch_spawn_step {
    orch_step_fork, orch_step_session, orch_step_cgroup, orch_step_limits, orch_step_user, orch_step_workdir,
    orch_step_stdio, orch_step_exec,
};

/// Starts a program and returns its pid once it executes, or -errno with `step` set and nothing left behind.
/// The child shares the parent's memory until it executes (vfork), so the parent's size costs nothing.
int orch_spawn(const struct orch_spawn *_Nonnull plan, int *_Nonnull step);

// MARK: Processes

int orch_pidfd_open(int pid);
/// Makes orphans of the caller's tree the caller's children.
int orch_become_subreaper(void);
int orch_kill(int pid, int signal);
/// Reaps one ended child of the caller (`pid` > 0 that one, -1 any). 0: none has ended. `code` or `signal` is set, the other -1.
int orch_reap(int pid, int *_Nonnull code, int *_Nonnull signal);
/// Field 22 of /proc/PID/stat: clock ticks after boot at which the process started.
int64_t orch_start_ticks(int pid);
/// The pids of the children of `pid`, all threads counted. Returns how many there are; at most `capacity` are stored.
int orch_children(int pid, int *_Nonnull pids, size_t capacity);
int orch_getpid(void);
void orch_exit(int status) __attribute__((noreturn));

// MARK: Signals

/// Blocks SIGCHLD, SIGTERM, SIGINT and SIGHUP and returns a descriptor that reads them; ignores SIGPIPE.
int orch_signal_descriptor(void);
/// The next signal, or 0 when none is pending.
int orch_next_signal(int descriptor);

// MARK: Descriptors, files and sockets (all close-on-exec)

/// Has the kernel begin to write a part of a file to the disk, without waiting for it.
void orch_start_writing(int fd, int64_t offset, int64_t count);
/// Like dup, with a number above 2.
int orch_duplicate(int fd);
/// A pseudoterminal (pty(7)): our end and the program's.
int orch_terminal(int *_Nonnull fds);
/// In characters.
void orch_set_terminal_size(int fd, uint16_t rows, uint16_t columns);
int orch_terminal_size(int fd, uint16_t *_Nonnull rows, uint16_t *_Nonnull columns);

int orch_pipe(int *_Nonnull fds);
int64_t orch_read(int fd, void *_Nonnull buffer, size_t count);
int64_t orch_write(int fd, const void *_Nonnull buffer, size_t count);
int orch_close(int fd);
enum orch_open_mode { orch_open_read, orch_open_append, orch_open_create, orch_open_directory, orch_open_write };
int orch_open(const char *_Nonnull path, enum orch_open_mode mode, uint32_t permissions);
int orch_mkdir(const char *_Nonnull path, uint32_t permissions);
int orch_rename(const char *_Nonnull from, const char *_Nonnull to);
int orch_unlink(const char *_Nonnull path);
int orch_fsync(int fd);
/// Syncs the whole file system that a file is on.
int orch_sync_file_system(int fd);
int64_t orch_file_size(const char *_Nonnull path);
/// Takes an exclusive lock on an open file, waiting at most `milliseconds`.
int orch_lock(int fd, int milliseconds);
/// Calls `visit` with each name in the directory except `.` and `..`.
int orch_list(const char *_Nonnull path, void *_Nullable context,
    void (*_Nonnull visit)(void *_Nullable context, const char *_Nonnull name));
/// Binds a stream socket to `path` with mode 0600 (an old one is removed) and listens.
int orch_listen(const char *_Nonnull path);
int orch_accept(int fd);

struct orch_poll { int fd; short wanted, ready; };
enum { orch_poll_in = 1, orch_poll_out = 4, orch_poll_gone = 8 | 16 };
int orch_poll(struct orch_poll *_Nonnull entries, size_t count, int milliseconds);

/// The pid at the other end of a connected local socket.
int orch_peer(int fd);

// MARK: Waiting for many descriptors

int orch_epoll_create(void);
/// Reports `fd` under `token` whenever it is readable or the other end is closed.
int orch_epoll_add(int epoll, int fd, uint64_t token);
int orch_epoll_remove(int epoll, int fd);
/// Waits without end; returns how many tokens were stored.
int orch_epoll_wait(int epoll, uint64_t *_Nonnull tokens, size_t capacity);
int orch_eventfd(void);
/// Watches a folder for files that are written to, made or moved in.
int orch_inotify_create(void);
int orch_inotify_add(int inotify, const char *_Nonnull path);
int orch_inotify_remove(int inotify, int watch);
/// Stores the distinct watches that have news, without their details; 0 when there are none.
int orch_inotify_read(int inotify, int *_Nonnull watches, size_t capacity);
/// At most 15 bytes of `name` are kept.
void orch_name_thread(const char *_Nonnull name);
/// The calling thread gets less of the processors where they are busy (a nice value of 10).
void orch_lower_priority(void);

// MARK: Clocks

/// Nanoseconds since 1970.
int64_t orch_wall_clock(void);
/// Nanoseconds of the monotonic clock.
int64_t orch_monotonic_clock(void);

// MARK: Checksums

/// CRC-32C (Castagnoli) of `count` bytes, continuing from `seed` (0 to begin), as Kafka's record batches carry it.
uint32_t orch_crc32c(uint32_t seed, const void *_Nonnull bytes, size_t count);

// MARK: Searching

/// The first place of `needle` in `bytes`, or NULL (memmem, which Swift does not see).
const void *_Nullable orch_find(
    const void *_Nonnull bytes, size_t count, const void *_Nonnull needle, size_t needle_count);

/// The first `byte` in `bytes`, or NULL (memchr).
const void *_Nullable orch_find_byte(const void *_Nonnull bytes, int byte, size_t count);

// MARK: Memory

/// Gives free memory back to the system, of all arenas (malloc_trim).
void orch_give_back_memory(void);

// MARK: Pipes

/// Lets a pipe hold `size` bytes instead of 64 KiB; where the system does not allow it, it stays as it is.
void orch_widen_pipe(int fd, int size);
