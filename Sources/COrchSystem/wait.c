#define _GNU_SOURCE
#include "COrchSystem.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

int orch_peer(int fd) {
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0 ? -errno : credentials.pid;
}

int orch_epoll_create(void) { return result(epoll_create1(EPOLL_CLOEXEC)); }

int orch_epoll_add(int epoll, int fd, uint64_t token) {
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = token };
    return result(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

int orch_epoll_remove(int epoll, int fd) { return result(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL)); }

int orch_epoll_wait(int epoll, uint64_t *tokens, size_t capacity) {
    struct epoll_event events[128];
    int count = epoll_wait(epoll, events, capacity < 128 ? (int)capacity : 128, -1);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) tokens[i] = events[i].data.u64;
    return count;
}

int orch_eventfd(void) { return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

int orch_inotify_create(void) { return result(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)); }

int orch_inotify_add(int inotify, const char *path) {
    return result(inotify_add_watch(inotify, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR));
}

int orch_inotify_remove(int inotify, int watch) { return result(inotify_rm_watch(inotify, watch)); }

int orch_inotify_read(int inotify, int *watches, size_t capacity) {
    _Alignas(struct inotify_event) char buffer[16384];
    ssize_t size = read(inotify, buffer, sizeof buffer);
    if (size < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    size_t found = 0;
    for (char *next = buffer; next < buffer + size;) {
        struct inotify_event *event = (struct inotify_event *)next;
        next += sizeof *event + event->len;
        // A busy folder reports over and over; the last one is enough to tell most of these apart.
        if (found < capacity && (found == 0 || watches[found - 1] != event->wd)) watches[found++] = event->wd;
    }
    return (int)found;
}

void orch_name_thread(const char *name) {
    char shortened[16];
    snprintf(shortened, sizeof shortened, "%s", name);
    pthread_setname_np(pthread_self(), shortened);
}

void orch_lower_priority(void) {
    // Of a thread alone, as Linux has it (setpriority(2), "C library/kernel differences").
    setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
}
