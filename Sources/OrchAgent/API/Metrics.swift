import Deployer
import FoundationEssentials
import OrchModel
import OrchSystem

/// The agent's figures in the text format of Prometheus (version 0.0.4).
enum Metrics {
    static func text(for agent: Agent) async -> String {
        let (services, instances, status) = (
            await agent.services(), await agent.deployer.instances(), await agent.status()
        )
        var text = MetricsText()
        text.add("orch_info", .gauge, "Version of the agent.", [(["version": OrchVersion.current], 1)])
        text.add(
            "orch_uptime_seconds", .gauge, "Time since the agent started.",
            [([:], (Timestamp.now() - agent.startedAt).seconds)])
        text.add("orch_services", .gauge, "Services by state.", counts(services.map(\.state.rawValue)))
        text.add("orch_instances", .gauge, "Instances by state.", counts(instances.map(\.state.rawValue)))
        text.add(
            "orch_service_up", .gauge, "Instances that work.",
            services.map { (["service": $0.name.rawValue], Double($0.up)) })
        text.add(
            "orch_instance_restarts_total", .counter, "Restarts of an instance.",
            instances.map { (["service": $0.module.rawValue, "instance": $0.id.rawValue], Double($0.restarts)) })
        text.add(
            "orch_log_lines_lost_total", .counter, "Lines of an instance that could not be kept.",
            instances.map { (["service": $0.module.rawValue, "instance": $0.id.rawValue], Double($0.lost)) })
        text.add(
            "orch_log_spool_bytes", .gauge, "Log bytes that wait for the broker.", [([:], Double(status.spoolBytes))])
        text.add(
            "orch_broker_connected", .gauge, "Whether the broker takes lines.",
            [([:], status.brokerState == "connected" ? 1 : 0)])
        addTraffic(of: services, to: &text)
        return text.content
    }

    private static func addTraffic(of services: [ServiceView], to text: inout MetricsText) {
        let sums = services.compactMap { service in service.traffic.map { (["service": service.name.rawValue], $0) } }
        let parts = services.flatMap { service in
            (service.traffic?.instances ?? [:]).sorted { $0.key < $1.key }.map {
                (["service": service.name.rawValue, "instance": $0.key.rawValue], $0.value)
            }
        }
        text.add(
            "orch_proxy_requests_total", .counter, "Answers of a service by the class of their status.",
            sums.flatMap { labels, traffic in
                traffic.answers.sorted { $0.key < $1.key }.map {
                    (labels.merging(["class": $0.key]) { $1 }, Double($0.value))
                }
            })
        let counters: [(name: String, help: String, value: (TrafficView) -> Int64)] = [
            ("orch_proxy_failures_total", "Requests that no instance answered to the end.", \.failures),
            ("orch_proxy_retries_total", "Requests that were tried at another instance.", \.retries),
            ("orch_proxy_connections_total", "Connections in TCP mode.", \.connections),
            ("orch_proxy_received_bytes_total", "Bytes of clients, without heads.", \.bytesIn),
            ("orch_proxy_sent_bytes_total", "Bytes of instances, without heads.", \.bytesOut),
        ]
        for counter in counters {
            text.add(counter.name, .counter, counter.help, sums.map { ($0.0, Double(counter.value($0.1))) })
        }
        text.add(
            "orch_proxy_request_seconds", .gauge, "Time to the end of an answer, over the last minute or two.",
            (sums + parts).flatMap { labels, traffic in
                [("0.5", traffic.p50), ("0.99", traffic.p99)].compactMap { quantile, seconds in
                    seconds.map { (labels.merging(["quantile": quantile]) { $1 }, $0) }
                }
            })
        text.add(
            "orch_proxy_instance_requests_total", .counter, "Answers of an instance since it gets requests.",
            parts.map { ($0.0, Double($0.1.requests)) })
        text.add(
            "orch_proxy_in_flight", .gauge, "Requests and connections an instance has now.",
            parts.map { ($0.0, Double($0.1.inFlight)) })
        text.add(
            "orch_proxy_passed_over", .gauge, "Whether an instance is passed over after failures in a row.",
            parts.map { ($0.0, $0.1.isPassedOver ? 1 : 0) })
    }

    private static func counts(_ states: [String]) -> [([String: String], Double)] {
        Dictionary(grouping: states, by: \.self).sorted { $0.key < $1.key }.map {
            (["state": $0.key], Double($0.value.count))
        }
    }
}
