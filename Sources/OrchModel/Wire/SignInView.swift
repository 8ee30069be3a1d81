/// How a browser gets in.
package struct SignInView: Codable, Sendable {
    /// Works once, for ten minutes.
    package var address: String

    package init(address: String) { self.address = address }
}
