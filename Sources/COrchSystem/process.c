#define _GNU_SOURCE
#include "COrchSystem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

int orch_pidfd_open(int pid) { return result(syscall(SYS_pidfd_open, pid, 0)); }

int orch_become_subreaper(void) { return result(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)); }

int orch_kill(int pid, int signal) { return result(kill(pid, signal)); }

int orch_getpid(void) { return getpid(); }

void orch_exit(int status) { _exit(status); }

int orch_reap(int pid, int *code, int *signal) {
    int status;
    pid_t ended;
    do ended = waitpid(pid, &status, WNOHANG); while (ended < 0 && errno == EINTR);
    if (ended <= 0) return result(ended);
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : -1;
    return ended;
}

/// Reads a small file whole; returns its length.
static int slurp(const char *path, char *buffer, size_t capacity) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t count = read(fd, buffer, capacity - 1);
    int error = errno;
    close(fd);
    if (count < 0) return -error;
    buffer[count] = 0;
    return (int)count;
}

int64_t orch_start_ticks(int pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int count = slurp(path, text, sizeof text);
    if (count < 0) return count;
    // The second field is the name in brackets and may hold spaces and brackets itself.
    char *field = strrchr(text, ')');
    for (int number = 2; field && number < 22; number++) field = strchr(field + 1, ' ');
    return field ? strtoll(field + 1, NULL, 10) : -EINVAL;
}

int orch_children(int pid, int *pids, size_t capacity) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    if (!threads) return -errno;
    size_t found = 0;
    for (struct dirent *entry; (entry = readdir(threads));) {
        if (entry->d_name[0] == '.') continue;
        char children[320];
        snprintf(children, sizeof children, "/proc/%d/task/%s/children", pid, entry->d_name);
        FILE *file = fopen(children, "re");
        if (!file) continue;
        for (int child; fscanf(file, "%d", &child) == 1; found++)
            if (found < capacity) pids[found] = child;
        fclose(file);
    }
    closedir(threads);
    return (int)found;
}

int orch_signal_descriptor(void) {
    signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    int numbers[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaddset(&set, numbers[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
    return result(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int orch_next_signal(int descriptor) {
    struct signalfd_siginfo info;
    ssize_t count = read(descriptor, &info, sizeof info);
    if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    return (int)info.ssi_signo;
}
