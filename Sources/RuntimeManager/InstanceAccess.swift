package import OrchSystem

/// How instances reach the agent whose module file asks for it.
package struct InstanceAccess: Sendable {
    /// Holds the socket.
    package var folder: String
    /// The socket's name in the folder.
    package var socket: String
    package var tokens: InstanceTokens

    package init(folder: String, socket: String, tokens: InstanceTokens) {
        self.folder = folder
        self.socket = socket
        self.tokens = tokens
    }
}
