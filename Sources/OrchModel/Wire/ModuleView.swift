/// A module that can be deployed by its name.
package struct ModuleView: Codable, Sendable {
    package enum Source: String, Codable, Sendable { case shipped, deployed, pushed }
    package var name: ModuleName
    package var version: String
    package var source: Source
    package var description: String
    package var path: String

    package init(name: ModuleName, version: String, source: Source, description: String, path: String) {
        self.name = name
        self.version = version
        self.source = source
        self.description = description
        self.path = path
    }
}
