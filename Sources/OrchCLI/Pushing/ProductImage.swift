import OrchClient
import OrchModel

/// An image that comes with the product.
enum ProductImage: String, CaseIterable {
    case base, deployer, scheduler
    func build(_ client: AgentClient, _ invocation: Invocation) async throws -> Int32 { 1 }
}
