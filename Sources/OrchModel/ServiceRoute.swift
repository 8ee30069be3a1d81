/// How clients reach a service now: the addresses it answers at, and the instances behind them.
package struct ServiceRoute: Hashable, Sendable {
    package var service: ModuleName
    /// One, or two while a version with another one replaces the one before.
    package var entrances: [Entrance]
    package var members: [Member]
    /// That of the version that shall run.
    package var revision = 0

    package init(service: ModuleName, entrances: [Entrance], members: [Member]) {
        self.service = service
        self.entrances = entrances
        self.members = members
    }

    /// An address that a service answers at.
    package struct Entrance: Hashable, Sendable {
        /// `http` or `tcp`.
        package var mode: EndpointSpec.Mode
        package var spec: EndpointSpec
        /// Where relative paths of certificates are taken from.
        package var baseDirectory: String
        /// The port it listens at; never 0.
        package var port: Int
        /// The folder of the service's web pages, absolute; empty for none.
        package var ui: String

        package init(mode: EndpointSpec.Mode, spec: EndpointSpec, baseDirectory: String, port: Int, ui: String = "") {
            self.mode = mode
            self.spec = spec
            self.baseDirectory = baseDirectory
            self.port = port
            self.ui = ui
        }

        /// As people and programs write it.
        package var address: String {
            let host = spec.hosts.first ?? (spec.address == "0.0.0.0" ? "127.0.0.1" : spec.address)
            switch mode {
            case .http:
                let scheme = spec.tls.isWanted ? "https" : "http"
                return "\(scheme)://\(host):\(port)\(spec.path == "/" ? "" : spec.path)"
            default: return "\(spec.tls.isWanted ? "tls" : "tcp")://\(host):\(port)"
            }
        }
    }

    /// An instance that takes requests.
    package struct Member: Hashable, Sendable {
        package var id: InstanceID
        /// The port of loopback that it listens at.
        package var port: Int
        package var revision: Int
        /// The part of the service's requests that all members of this revision get together, from 0 to 1; `nil` for
        /// what the others leave.
        package var share: Double?

        package init(id: InstanceID, port: Int, revision: Int, share: Double? = nil) {
            self.id = id
            self.port = port
            self.revision = revision
            self.share = share
        }
    }
}
