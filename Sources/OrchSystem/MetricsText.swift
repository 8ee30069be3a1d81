/// Figures in the text format of Prometheus (version 0.0.4).
package struct MetricsText: Sendable {
    package enum Kind: String, Sendable { case gauge, counter }

    package static let type = "text/plain; version=0.0.4"
    package private(set) var content = ""

    package init() {}

    package mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        add(name, kind, help, [([:], value)])
    }

    package mutating func add(
        _ name: String, _ kind: Kind, _ help: String, _ samples: [(labels: [String: String], value: Double)]
    ) {
        content += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples {
            let labels = sample.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(
                separator: ",")
            content += labels.isEmpty ? "\(name) \(sample.value)\n" : "\(name){\(labels)} \(sample.value)\n"
        }
    }
}
