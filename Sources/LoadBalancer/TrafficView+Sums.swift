import OrchModel

extension ServiceTraffic {
    mutating func add(_ other: ServiceTraffic) {
        total.add(other.total)
        for (id, part) in other.instances {
            guard var sum = instances[id] else {
                instances[id] = part
                continue
            }
            sum.traffic.add(part.traffic)
            instances[id] = sum
        }
    }

    var view: TrafficView {
        var view = TrafficView(total, inFlight: instances.values.reduce(0) { $0 + $1.inFlight }, isPassedOver: false)
        view.instances = instances.mapValues {
            TrafficView($0.traffic, inFlight: $0.inFlight, isPassedOver: $0.isPassedOver)
        }
        return view
    }
}

extension TrafficView {
    fileprivate init(_ traffic: Traffic, inFlight: Int, isPassedOver: Bool) {
        self.init(
            answers: Dictionary(uniqueKeysWithValues: (1...5).map { ("\($0)xx", traffic.answers[$0]) }),
            failures: traffic.failures, retries: traffic.retries, connections: traffic.connections,
            bytesIn: traffic.bytesIn, bytesOut: traffic.bytesOut, inFlight: inFlight,
            p50: traffic.latency.quantile(0.5), p99: traffic.latency.quantile(0.99), isPassedOver: isPassedOver)
    }
}
