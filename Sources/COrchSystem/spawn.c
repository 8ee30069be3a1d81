#define _GNU_SOURCE
#include "COrchSystem.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct outcome { volatile int step, error; };

/// Lowers a soft limit, and the hard one with it where it may; never raises what the system forbids.
static int set_limit(int resource, uint64_t value) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) < 0) return -1;
    limit.rlim_cur = value < limit.rlim_max ? value : limit.rlim_max;
    if (value < limit.rlim_max) limit.rlim_max = value;
    return setrlimit(resource, &limit);
}

/// Puts the three descriptors in place. They are first moved above 2, so that none overwrites another's source.
static int place_stdio(const int *stdio) {
    int moved[3];
    for (int i = 0; i < 3; i++) {
        int source = stdio[i];
        if (source < 0) {
            source = open("/dev/null", (i == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
            if (source < 0) return -1;
        }
        moved[i] = fcntl(source, F_DUPFD_CLOEXEC, 3);
        if (moved[i] < 0) return -1;
    }
    for (int i = 0; i < 3; i++)
        if (dup2(moved[i], i) < 0) return -1;
    return 0;
}

/// Runs in the child, on the parent's memory: only system calls, nothing that allocates or locks.
static void become(const struct orch_spawn *plan, struct outcome *outcome) {
#define attempt(name, call) do { outcome->step = (name); if ((call) < 0) { outcome->error = errno; _exit(127); } } while (0)
    // Dispositions first, while every signal is still blocked: a handler must never run in the shared memory.
    struct sigaction standard = { .sa_handler = SIG_DFL };
    for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);

    // The agent's own is strict, to keep its files to itself.
    umask(022);
    if (plan->new_session) attempt(orch_step_session, setsid());
    // The cgroup before the program: its first allocation already counts.
    for (size_t i = 0; i < plan->cgroup_count; i++) attempt(orch_step_cgroup, write(plan->cgroups[i], "0", 1));
    if (plan->open_files) attempt(orch_step_limits, set_limit(RLIMIT_NOFILE, plan->open_files));
    if (plan->set_user) {
        // The raw calls change this thread alone; glibc's wrappers would reach into the parent's other threads.
        attempt(orch_step_user, syscall(SYS_setgroups, plan->group_count, plan->groups));
        attempt(orch_step_user, syscall(SYS_setresgid, plan->gid, plan->gid, plan->gid));
        attempt(orch_step_user, syscall(SYS_setresuid, plan->uid, plan->uid, plan->uid));
    }
    if (plan->workdir) attempt(orch_step_workdir, chdir(plan->workdir));
    attempt(orch_step_stdio, place_stdio(plan->stdio));
    // It becomes the session's own terminal, so that Ctrl-C and the end of the line reach the program.
    if (plan->terminal) attempt(orch_step_stdio, ioctl(0, TIOCSCTTY, 0));
    // A descriptor opened elsewhere without close-on-exec must not reach the program.
    syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);

    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    attempt(orch_step_exec, execve(plan->program, plan->argv, plan->envp));
#undef attempt
}

int orch_spawn(const struct orch_spawn *plan, int *step) {
    struct outcome outcome = { orch_step_fork, 0 };
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = vfork();
    if (pid == 0) {
        become(plan, &outcome);
        _exit(127);
    }
    int error = pid < 0 ? errno : outcome.error;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *step = outcome.step;
    if (error == 0) return pid;
    if (pid > 0) while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return -error;
}
