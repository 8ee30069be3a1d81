#define _GNU_SOURCE
#include "COrchSystem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

int orch_pipe(int *fds) { return result(pipe2(fds, O_CLOEXEC)); }

void orch_widen_pipe(int fd, int size) { fcntl(fd, F_SETPIPE_SZ, size); }

int64_t orch_read(int fd, void *buffer, size_t count) {
    ssize_t done;
    do done = read(fd, buffer, count); while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : done;
}

int64_t orch_write(int fd, const void *buffer, size_t count) {
    ssize_t done;
    do done = write(fd, buffer, count); while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : done;
}

int orch_close(int fd) { return result(close(fd)); }

int orch_open(const char *path, enum orch_open_mode mode, uint32_t permissions) {
    static const int flags[] = {
        [orch_open_read] = O_RDONLY,
        [orch_open_append] = O_WRONLY | O_CREAT | O_APPEND,
        [orch_open_create] = O_WRONLY | O_CREAT | O_TRUNC,
        [orch_open_directory] = O_RDONLY | O_DIRECTORY,
        [orch_open_write] = O_WRONLY,
    };
    return result(open(path, flags[mode] | O_CLOEXEC, permissions));
}

int orch_mkdir(const char *path, uint32_t permissions) { return result(mkdir(path, permissions)); }

int orch_rename(const char *from, const char *to) { return result(rename(from, to)); }

int orch_unlink(const char *path) { return result(unlink(path)); }

int orch_fsync(int fd) { return result(fsync(fd)); }

int64_t orch_file_size(const char *path) {
    struct stat status;
    return stat(path, &status) < 0 ? -errno : status.st_size;
}

int orch_lock(int fd, int milliseconds) {
    int64_t end = orch_monotonic_clock() + milliseconds * 1000000LL;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return -errno;
        if (orch_monotonic_clock() >= end) return -EWOULDBLOCK;
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return 0;
}

int orch_list(const char *path, void *context, void (*visit)(void *context, const char *name)) {
    DIR *directory = opendir(path);
    if (!directory) return -errno;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) visit(context, entry->d_name);
    closedir(directory);
    return 0;
}

int orch_listen(const char *path) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    unlink(path);
    // The mode is the socket's from its first moment: between bind and chmod somebody could connect.
    mode_t before = umask(0177);
    int failed = bind(fd, (struct sockaddr *)&address, sizeof address);
    int error = errno;
    umask(before);
    if (!failed) {
        failed = listen(fd, 16);
        error = errno;
    }
    if (failed) {
        close(fd);
        return -error;
    }
    return fd;
}

int orch_accept(int fd) { return result(accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)); }

_Static_assert(sizeof(struct orch_poll) == sizeof(struct pollfd), "the entries are passed as they are");
_Static_assert(offsetof(struct orch_poll, ready) == offsetof(struct pollfd, revents), "the entries are passed as they are");

int orch_poll(struct orch_poll *entries, size_t count, int milliseconds) {
    int ready = poll((struct pollfd *)entries, count, milliseconds);
    return ready < 0 && errno == EINTR ? 0 : result(ready);
}

static int64_t clock_now(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int64_t orch_wall_clock(void) { return clock_now(CLOCK_REALTIME); }

int64_t orch_monotonic_clock(void) { return clock_now(CLOCK_MONOTONIC); }

void orch_start_writing(int fd, int64_t offset, int64_t count) {
    sync_file_range(fd, offset, count, SYNC_FILE_RANGE_WRITE);
}

int orch_duplicate(int fd) { return result(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

void orch_set_terminal_size(int fd, uint16_t rows, uint16_t columns) {
    struct winsize size = { .ws_row = rows, .ws_col = columns };
    ioctl(fd, TIOCSWINSZ, &size);
}

int orch_terminal_size(int fd, uint16_t *rows, uint16_t *columns) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0) return -errno;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 0;
}

int orch_terminal(int *fds) {
    fds[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fds[0] < 0) return -errno;
    char path[128];
    int error = grantpt(fds[0]) < 0 || unlockpt(fds[0]) < 0 ? errno : ptsname_r(fds[0], path, sizeof path);
    fds[1] = error ? -1 : open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fds[1] >= 0) return 0;
    if (!error) error = errno;
    close(fds[0]);
    return -error;
}

int orch_sync_file_system(int fd) { return result(syncfs(fd)); }
