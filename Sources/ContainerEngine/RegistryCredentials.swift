import FoundationEssentials
import OrchModel
import OrchSystem

/// The passwords of registries that `docker login` has written down for the agent's user.
package struct RegistryCredentials: Sendable {
    private struct Configuration: Decodable {
        struct Entry: Decodable {
            /// `user:password` in Base64.
            var auth: String?
        }
        var auths: [String: Entry]?
    }

    /// What Docker Hub is called there.
    private static let hub = "https://index.docker.io/v1/"

    private let auths: [String: String]

    /// - Parameter environment: `DOCKER_CONFIG` or `HOME` say where they lie.
    package init(environment: [String: String]) {
        let folder = environment["DOCKER_CONFIG"] ?? environment["HOME"].map { "\($0)/.docker" } ?? ""
        let file = try? Files.read("\(folder)/config.json")
        let configuration = file.flatMap { try? JSONDecoder().decode(Configuration.self, from: Data($0)) }
        auths = (configuration?.auths ?? [:]).compactMapValues(\.auth)
    }

    /// The value of `X-Registry-Auth` for the registry of an image (Docker Engine API, "Authentication"); empty where nothing is
    /// known.
    package func field(for image: String) -> String {
        let first = image.split(separator: "/").first.map(String.init) ?? ""
        let isHost = image.contains("/") && (first.contains(".") || first.contains(":") || first == "localhost")
        let server = isHost && first != "docker.io" ? first : Self.hub
        guard let auth = auths[server] ?? auths["https://\(server)"] ?? auths["http://\(server)"],
            let pair = Data(base64Encoded: auth).map({ String(decoding: $0, as: UTF8.self) }),
            let colon = pair.firstIndex(of: ":")
        else { return "" }
        let value: JSONValue = [
            "username": .string(String(pair[..<colon])),
            "password": .string(String(pair[pair.index(after: colon)...])), "serveraddress": .string(server),
        ]
        guard let json = try? JSONEncoder().encode(value) else { return "" }
        return json.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
    }
}
