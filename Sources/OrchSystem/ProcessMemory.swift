import COrchSystem
import Glibc

package enum ProcessMemory {
    /// What this process has in memory, in bytes (proc(5), statm).
    package static var resident: Int? {
        guard let fields = try? Files.readText("/proc/self/statm").split(separator: " "), fields.count > 1 else {
            return nil
        }
        return Int(fields[1]).map { $0 * sysconf(Int32(_SC_PAGESIZE)) }
    }

    /// Gives back what the C library keeps for later.
    package static func trim() { orch_give_back_memory() }
}
