import Glibc
import OrchModel
import OrchSystem

/// Writes the configuration files that a module file lists into the instance's folder.
struct ConfigurationWriter {
    let folder: InstanceFolder
    let environment: InstanceEnvironment
    let spec: ModuleSpec

    /// - Parameter owner: who the instance runs as, and must be able to read them.
    func write(owner: SystemUser?) throws(OrchError) {
        // The instance may read its files and pass through their folders, which stay ours: it could put a link where we
        // write next time.
        if owner != nil { for path in [folder.path, folder.configuration] { chmod(path, 0o711) } }
        for file in spec.files {
            let path = "\(folder.configuration)/\(file.path)"
            guard let mode = mode_t(file.mode, radix: 8) else { continue }
            let text = try text(of: file)
            do throws(SystemError) {
                try Files.makeFolder(Files.parent(of: path))
                try Files.replace(path, with: Array(environment.expand(text).utf8), mode: mode)
            } catch {
                throw OrchError(
                    .failed, "the configuration file \(file.path) cannot be written: \(error.reason)", cause: error)
            }
            // The agent's own mask has narrowed the mode.
            chmod(path, mode)
            guard let owner else { continue }
            chown(path, owner.uid, owner.gid)
            var inner = Files.parent(of: path)
            while inner.count > folder.configuration.count {
                chmod(inner, 0o711)
                inner = Files.parent(of: inner)
            }
        }
    }

    private func text(of file: ConfigurationFile) throws(OrchError) -> String {
        // What was read when it was deployed holds for as long as that version does.
        guard !file.source.isEmpty, file.content.isEmpty else { return file.content }
        let source = Files.resolve(file.source, in: spec.baseDirectory)
        do throws(SystemError) {
            return try Files.readText(source)
        } catch {
            throw OrchError(.notFound, "the file \(source) of 'files' cannot be read: \(error.reason)", cause: error)
        }
    }
}
