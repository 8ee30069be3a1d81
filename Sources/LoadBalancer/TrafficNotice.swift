package import OrchModel

/// Something about a service's traffic that people should know of, for the events.
package struct TrafficNotice: Sendable {
    /// As in `endpoint.failed`.
    package var kind: String
    package var service: ModuleName?
    package var instance: InstanceID?
    package var message: String
    /// The kind of trouble that this is the end of, if there was any: `endpoint.open` ends `endpoint.failed`.
    package var ends: String?
}
