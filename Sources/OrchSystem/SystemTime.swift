import COrchSystem
package import OrchModel

extension Timestamp {
    /// The wall clock. Decisions take their time as an argument instead.
    package static func now() -> Timestamp { Timestamp(nanoseconds: orch_wall_clock()) }
}
