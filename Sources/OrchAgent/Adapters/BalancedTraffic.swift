import Deployer
import LoadBalancer
import OrchModel
import OrchSystem

/// The deployer's traffic control: the load balancer as it is.
extension LoadBalancer: TrafficControl {}

/// The deployer's choice of servers, among those that the load balancer knows.
struct LocalPlacement: InstancePlacement {
    func choose(for spec: ModuleSpec, beside instances: [InstanceView]) throws(OrchError) -> PlacementChoice {
        let choice = try Placement.choose(
            for: spec, among: Servers.current(instances: instances), beside: instances)
        return PlacementChoice(server: choice.server, reason: choice.reason)
    }
}
