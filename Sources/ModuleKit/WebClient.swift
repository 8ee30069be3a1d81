package import AsyncHTTPClient

/// Calls addresses that people name.
package enum WebClient {
    /// An address that takes no connection is told as such at once; by default the client tries until the time is over.
    package static let shared: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        // A message that is posted to an address that has moved would arrive as a question without a body.
        configuration.redirectConfiguration = .disallow
        return HTTPClient(eventLoopGroup: HTTPClient.defaultEventLoopGroup, configuration: configuration)
    }()
}
