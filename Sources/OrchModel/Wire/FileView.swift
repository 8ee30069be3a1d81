/// What is at a path of an instance.
package struct FileView: Codable, Sendable {
    package var path: String
    /// Whether it is a folder; `nil` when it is not there.
    package var isFolder: Bool?

    package init(path: String, isFolder: Bool?) {
        self.path = path
        self.isFolder = isFolder
    }

    package enum CodingKeys: String, CodingKey {
        case path
        case isFolder = "is_folder"
    }
}
