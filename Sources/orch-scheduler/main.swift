import Glibc
import OrchModel
import OrchSystem
import Scheduler

do {
    try await SchedulerProgram.run()
} catch {
    StandardStream.error.write("level=error msg=\"\(OrchError(wrapping: error, "\(error)").message)\"\n")
    exit(1)
}
