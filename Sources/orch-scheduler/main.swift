import Glibc
import ModuleKit
import OrchModel
import OrchSystem
import Scheduler

if CommandLine.arguments.dropFirst() == ["health"] { exit(await ModuleEnvironment.isHealthy() ? 0 : 1) }
do {
    try await SchedulerProgram.run()
} catch {
    StandardStream.error.write("level=error msg=\"\(OrchError(wrapping: error, "\(error)").message)\"\n")
    exit(1)
}
