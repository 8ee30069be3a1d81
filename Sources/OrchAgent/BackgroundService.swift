import ServiceLifecycle

/// A loop that runs for as long as the agent does, as a service of its lifecycle.
struct BackgroundService: Service {
    let body: @Sendable () async throws -> Void
    /// Makes `body` return; `nil` when cancelling it does.
    let onShutdown: (@Sendable () -> Void)?

    init(onShutdown: (@Sendable () -> Void)? = nil, _ body: @escaping @Sendable () async throws -> Void) {
        self.onShutdown = onShutdown
        self.body = body
    }

    func run() async throws {
        if let onShutdown {
            try await withGracefulShutdownHandler {
                try await body()
            } onGracefulShutdown: {
                onShutdown()
            }
        } else {
            try await cancelWhenGracefulShutdown { try await body() }
        }
    }
}
