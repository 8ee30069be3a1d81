// orch-shim: runs the program that the file `launch` in its working directory, an instance's folder, describes.
//
// Its arguments are for people who look at a list of processes. Standard output is a pipe to whoever started it:
// `started PID TICKS`, or `failed STEP ERRNO`, and then closed.

import COrchSystem

/// The steps that fail before a program is started, numbered behind those of `orch_spawn_step`.
enum ShimStep {
    static let lock: Int32 = 100
    static let plan: Int32 = 101
    static let socket: Int32 = 102
    static let pipes: Int32 = 103
}

func fail(step: Int32, errno: Int32) -> Never {
    var text = Bytes()
    text.append("failed ")
    text.append(Int64(step))
    text.append(" ")
    text.append(Int64(errno))
    text.append("\n")
    _ = writeAll(1, text)
    orch_exit(1)
}

func serveInstance() {
    // Held as long as we live: an instance never runs twice, whatever the agent believes. The one before us may still
    // be writing its exit status.
    let lock = orch_open("lock", orch_open_create, 0o600)
    let locked = lock < 0 ? lock : orch_lock(lock, 2000)
    if locked < 0 { fail(step: ShimStep.lock, errno: -locked) }

    guard let plan = LaunchPlan(file: "launch") else { fail(step: ShimStep.plan, errno: 22) }
    let signals = orch_signal_descriptor()
    _ = orch_become_subreaper()
    let listener = orch_listen("shim.sock")
    if listener < 0 { fail(step: ShimStep.socket, errno: -listener) }

    let spool = Spool(
        limit: plan.spoolLimit, segmentLimit: plan.segmentLimit, dropsOldest: plan.whenFull == .dropOldest)
    var outPipe: [Int32] = [0, 0]
    var errPipe: [Int32] = [0, 0]
    if orch_pipe(&outPipe) < 0 || orch_pipe(&errPipe) < 0 { fail(step: ShimStep.pipes, errno: 24) }

    // A burst finds room, and costs fewer changes between its process and this one.
    orch_widen_pipe(outPipe[0], 262_144)

    var step: Int32 = 0
    let pid = plan.start(stdout: outPipe[1], stderr: errPipe[1], step: &step)
    if pid < 0 {
        _ = orch_unlink("shim.sock")
        fail(step: step, errno: -pid)
    }
    _ = orch_close(outPipe[1])
    _ = orch_close(errPipe[1])

    // Read before anybody can reap the process, so that it is its own start time.
    let ticks = orch_start_ticks(pid)
    var started = Bytes()
    started.append("started ")
    started.append(Int64(pid))
    started.append(" ")
    started.append(ticks)
    started.append("\n")
    _ = orch_unlink("exit")
    reserve("exit.new", size: 96)
    _ = writeAll(1, started)
    _ = orch_close(1)

    let shim = Shim(
        pid: pid, startTicks: ticks, signals: signals, listener: listener, spool: spool, stdout: outPipe[0],
        stderr: errPipe[0])
    shim.run()
}

serveInstance()
orch_exit(0)
