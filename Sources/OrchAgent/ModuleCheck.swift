import OrchModel
import OrchModuleFile
import OrchSystem

/// Checks module files without an agent, for `orch validate`.
package enum ModuleCheck {
    /// Prints every mistake to standard error.
    ///
    /// - Parameter paths: absolute paths of module files.
    /// - Returns: the exit status: 0, or 2 when there is a mistake.
    package static func run(_ paths: [String]) -> Int32 {
        var status: Int32 = 0
        for path in paths {
            do {
                _ = try ModuleFile.parse(Files.readText(path), path: path, baseDirectory: Files.parent(of: path))
            } catch let error as ModuleFileError {
                for diagnostic in error.diagnostics { StandardStream.error.write("\(diagnostic)\n") }
                status = OrchError.Code.invalidRequest.exitStatus
            } catch {
                StandardStream.error.write("\(path): \(error)\n")
                status = OrchError.Code.invalidRequest.exitStatus
            }
        }
        return status
    }
}
