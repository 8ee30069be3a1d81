/// The version of every program of this package; agent and CLI of different versions say so.
package enum OrchVersion {
    package static let current = "0.1.0"
}
