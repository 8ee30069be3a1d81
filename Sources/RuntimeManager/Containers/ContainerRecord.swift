import ContainerEngine

/// What is written down of an instance's container, so that the next agent finds it.
struct ContainerRecord: Codable, Sendable {
    var engine: EngineAddress
    var container: String
}
