import NIOCore
import OrchModel

extension RequestHandler {
    private enum ResourceType {
        static let topic: Int8 = 2
        static let broker: Int8 = 4
    }

    /// Where a value comes from, as DescribeConfigs names it.
    private enum ConfigSource {
        static let topic: Int8 = 1
        static let fallback: Int8 = 5
    }

    private struct Described {
        var type: Int8
        var name: String
        var error = KafkaError.none
        var entries: [(name: String, value: String, isGiven: Bool)] = []
    }

    func describeConfigs(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let asked = try frame.kafkaArray { (bytes) throws(MalformedRequest) in
            (
                type: try bytes.kafkaInteger(Int8.self), name: try bytes.kafkaString(),
                keys: try bytes.kafkaNullableArray { (bytes) throws(MalformedRequest) in try bytes.kafkaString() }
            )
        }
        if version >= 1 { _ = try frame.kafkaBoolean() }
        if version >= 3 { _ = try frame.kafkaBoolean() }
        var all: [Described] = []
        var seen: Set<String> = []
        for resource in asked where seen.insert("\(resource.type)/\(resource.name)").inserted {
            var described = Described(type: resource.type, name: resource.name)
            switch resource.type {
            case ResourceType.topic:
                if let configuration = await store.configuration(of: resource.name) {
                    described.entries = configuration.entries
                } else {
                    described.error = .unknownTopicOrPartition
                }
            case ResourceType.broker:
                described.entries = store.brokerConfiguration.map { ($0.name, $0.value, false) }
            default: described.error = .invalidRequest
            }
            if let keys = resource.keys { described.entries.removeAll { !keys.contains($0.name) } }
            all.append(described)
        }

        response.writeInteger(Int32(0))
        response.writeKafkaArray(all) { response, described in
            response.writeKafkaError(described.error)
            response.writeKafkaNullableString(nil)
            response.writeInteger(described.type)
            response.writeKafkaString(described.name)
            response.writeKafkaArray(described.entries) { response, entry in
                response.writeKafkaString(entry.name)
                response.writeKafkaNullableString(entry.value)
                // All of it is set when a topic or the broker begins.
                response.writeKafkaBoolean(true)
                if version == 0 {
                    response.writeKafkaBoolean(!entry.isGiven)
                } else {
                    response.writeInteger(entry.isGiven ? ConfigSource.topic : ConfigSource.fallback)
                }
                // Nothing of it is secret.
                response.writeKafkaBoolean(false)
                if version >= 1 { response.writeKafkaArray([String]()) { $0.writeKafkaString($1) } }
                if version >= 3 {
                    // The type of the value, which is not told, and no documentation.
                    response.writeInteger(Int8(0))
                    response.writeKafkaNullableString(nil)
                }
            }
        }
    }
}
