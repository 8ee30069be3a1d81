import Glibc
import OrchModel
import OrchSystem

/// Runs a program for each notification.
struct CommandChannel: NotificationChannel {
    let settings: ChannelSettings

    func send(_ notification: Notification) async throws(OrchError) {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        let program = try Programs.find(settings.command[0], path: path, in: "/")
        let json = try notification.json
        let (words, timeout) = (settings.command, settings.timeout)
        let variables = [
            "PATH=\(path)", "NOTIFY_TITLE=\(notification.title)",
            "NOTIFY_SEVERITY=\(notification.incident.severity.rawValue)",
            "NOTIFY_STATE=\(notification.incident.state.rawValue)", "NOTIFY_MODULE=\(notification.incident.module)",
            "NOTIFY_ID=\(notification.id)",
        ]
        let outcome = await runBlocking(name: "command") {
            Result { () throws(SystemError) -> Int32? in
                // A file, because a pipe could fill while nobody reads it.
                let name =
                    "\(getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp")/orch-notify-\(getpid())-\(notification.id)"
                try Files.replace(name, with: json)
                defer { Files.remove(name) }
                let input = try Descriptor(opening: name, .read)
                var launch = ProgramLaunch(program: program, arguments: words, environment: variables)
                launch.stdio = (input.number, nil, nil)
                return try launch.run(timeout: timeout)
            }
        }
        switch outcome {
        case .success(0?): return
        case .success(nil): throw OrchError(.timedOut, "\(words[0]) took longer than \(timeout)")
        case .success(let status?): throw OrchError(.failed, "\(words[0]) ended with \(status)")
        case .failure(let error): throw OrchError(.failed, "\(words[0]) cannot be run: \(error)", cause: error)
        }
    }
}
