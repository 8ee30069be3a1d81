import Deployer
import FoundationEssentials
import OrchModel
import OrchSystem

/// The agent's figures in the text format of Prometheus (version 0.0.4).
enum Metrics {
    static func text(for agent: Agent) async -> String {
        let (services, instances, status) = (
            await agent.deployer.services, await agent.deployer.instances(), await agent.status()
        )
        var text = Text()
        text.add("orch_info", "gauge", "Version of the agent.", [(["version": OrchVersion.current], 1)])
        text.add(
            "orch_uptime_seconds", "gauge", "Time since the agent started.",
            [([:], (Timestamp.now() - agent.startedAt).seconds)])
        text.add("orch_services", "gauge", "Services by state.", counts(services.map(\.state.rawValue)))
        text.add("orch_instances", "gauge", "Instances by state.", counts(instances.map(\.state.rawValue)))
        text.add(
            "orch_service_up", "gauge", "Instances that work.",
            services.map { (["service": $0.name.rawValue], Double($0.up)) })
        text.add(
            "orch_instance_restarts_total", "counter", "Restarts of an instance.",
            instances.map { (["service": $0.module.rawValue, "instance": $0.id.rawValue], Double($0.restarts)) })
        text.add(
            "orch_log_lines_lost_total", "counter", "Lines of an instance that could not be kept.",
            instances.map { (["service": $0.module.rawValue, "instance": $0.id.rawValue], Double($0.lost)) })
        text.add(
            "orch_log_spool_bytes", "gauge", "Log bytes that wait for the broker.", [([:], Double(status.spoolBytes))])
        text.add(
            "orch_broker_connected", "gauge", "Whether the broker takes lines.",
            [([:], status.brokerState == "connected" ? 1 : 0)])
        return text.content
    }

    private static func counts(_ states: [String]) -> [([String: String], Double)] {
        Dictionary(grouping: states, by: \.self).sorted { $0.key < $1.key }.map {
            (["state": $0.key], Double($0.value.count))
        }
    }

    private struct Text {
        var content = ""

        mutating func add(
            _ name: String, _ type: String, _ help: String, _ samples: [(labels: [String: String], value: Double)]
        ) {
            content += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
            for sample in samples {
                let labels = sample.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(
                    separator: ",")
                content += labels.isEmpty ? "\(name) \(sample.value)\n" : "\(name){\(labels)} \(sample.value)\n"
            }
        }
    }
}
