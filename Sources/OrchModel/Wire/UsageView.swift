/// What an instance uses now, its whole process tree or container taken together.
package struct UsageView: Codable, Sendable {
    package var instance: InstanceID
    package var module: ModuleName
    package var runtime: RuntimeKind
    package var usage: ResourceUsage
    package var at: Timestamp

    package init(instance: InstanceID, module: ModuleName, runtime: RuntimeKind, usage: ResourceUsage, at: Timestamp) {
        self.instance = instance
        self.module = module
        self.runtime = runtime
        self.usage = usage
        self.at = at
    }
}

package struct ResourceUsage: Codable, Hashable, Sendable {
    /// Processor time since the start, in seconds.
    package var processorSeconds: Double
    /// In bytes; what is shared with others counts in part.
    package var memory: Int64
    /// In bytes; 0 for no limit.
    package var memoryLimit: Int64
    package var processes: Int

    package init(processorSeconds: Double, memory: Int64, memoryLimit: Int64, processes: Int) {
        self.processorSeconds = processorSeconds
        self.memory = memory
        self.memoryLimit = memoryLimit
        self.processes = processes
    }

    package enum CodingKeys: String, CodingKey {
        case memory, processes
        case processorSeconds = "processor_seconds"
        case memoryLimit = "memory_limit"
    }
}
