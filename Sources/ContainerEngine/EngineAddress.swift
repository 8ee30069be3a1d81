import FoundationEssentials
package import OrchModel
import OrchSystem

/// The kinds of engine that speak the Docker Engine API.
package enum EngineKind: String, Codable, Sendable, CaseIterable { case docker, podman }

/// A Unix socket at which an engine may listen.
package struct EngineAddress: Hashable, Codable, Sendable {
    package var kind: EngineKind
    package var socket: String

    package init(kind: EngineKind, socket: String) {
        self.kind = kind
        self.socket = socket
    }
}

/// Finds engines where their own command-line tools look: in variables, in Docker's contexts, at the usual sockets.
package struct EngineFinder: Sendable {
    package let environment: [String: String]

    package init(environment: [String: String]) { self.environment = environment }

    /// Where engines of these kinds may listen, the likeliest first. What a variable or a context names is the only one of
    /// its kind.
    ///
    /// - Throws: `invalidRequest` for a host that is no Unix socket, `notFound` for a context that does not exist.
    package func addresses(of kinds: [EngineKind]) throws(OrchError) -> [EngineAddress] {
        var addresses: [EngineAddress] = []
        for kind in kinds {
            let sockets = try kind == .docker ? dockerSockets() : podmanSockets()
            addresses += sockets.map { EngineAddress(kind: kind, socket: $0) }
        }
        return addresses
    }

    private func dockerSockets() throws(OrchError) -> [String] {
        if let host = value("DOCKER_HOST") { return [try Self.socket(host, of: "DOCKER_HOST")] }
        if let context = currentContext, context != "default" {
            guard let host = contextHost(context) else {
                throw OrchError(
                    .notFound, "there is no Docker context \(context.quotedOneLine): 'docker context ls' lists them")
            }
            return [try Self.socket(host, of: "the Docker context \(context)")]
        }
        return ["/var/run/docker.sock"] + inRuntimeFolder("docker.sock") + inHome(".docker/run/docker.sock")
    }

    private func podmanSockets() throws(OrchError) -> [String] {
        if let host = value("CONTAINER_HOST") { return [try Self.socket(host, of: "CONTAINER_HOST")] }
        return inRuntimeFolder("podman/podman.sock") + ["/run/podman/podman.sock"]
    }

    private static func socket(_ host: String, of whose: String) throws(OrchError) -> String {
        guard host.hasPrefix("unix://"), host.count > 7 else {
            throw OrchError(
                .invalidRequest,
                "\(whose) is \(host.quotedOneLine): only engines of this machine can be used, as in unix:///var/run/docker.sock"
            )
        }
        return String(host.dropFirst(7))
    }

    // MARK: Contexts

    private struct ClientConfiguration: Decodable { var currentContext: String? }

    private struct ContextDescription: Decodable {
        struct Endpoint: Decodable {
            var host: String?
            enum CodingKeys: String, CodingKey { case host = "Host" }
        }
        var name: String
        var endpoints: [String: Endpoint]
        enum CodingKeys: String, CodingKey {
            case name = "Name"
            case endpoints = "Endpoints"
        }
    }

    private var clientFolder: String? { value("DOCKER_CONFIG") ?? value("HOME").map { "\($0)/.docker" } }

    private var currentContext: String? {
        if let named = value("DOCKER_CONTEXT") { return named }
        guard let clientFolder, let bytes = try? Files.read("\(clientFolder)/config.json") else { return nil }
        return try? JSONDecoder().decode(ClientConfiguration.self, from: Data(bytes)).currentContext
    }

    /// Contexts lie in folders with names of their own; each tells what it is called.
    private func contextHost(_ name: String) -> String? {
        guard let clientFolder else { return nil }
        let folder = "\(clientFolder)/contexts/meta"
        for entry in Files.list(folder) {
            guard let bytes = try? Files.read("\(folder)/\(entry)/meta.json"),
                let context = try? JSONDecoder().decode(ContextDescription.self, from: Data(bytes)),
                context.name == name
            else { continue }
            return context.endpoints["docker"]?.host
        }
        return nil
    }

    // MARK: Places

    private func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    private func inHome(_ path: String) -> [String] { value("HOME").map { ["\($0)/\(path)"] } ?? [] }
    private func inRuntimeFolder(_ path: String) -> [String] {
        value("XDG_RUNTIME_DIR").map { ["\($0)/\(path)"] } ?? []
    }
}
