package import AsyncHTTPClient

/// Calls addresses that people name.
package enum WebClient {
    /// An address that takes no connection is told as such at once; by default the client tries until the time is over.
    package static let shared: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroup: HTTPClient.defaultEventLoopGroup, configuration: configuration)
    }()
}
