import Glibc
import OrchModel
import OrchSystem

/// Writes the configuration files that a module file lists into the instance's folder.
struct ConfigurationWriter {
    /// Who must be able to read them besides the agent.
    enum Reader {
        case agent
        case user(uid_t, gid_t)
        /// The user of a container, whose name is known in its image only. Nobody else passes through the instance's folder.
        case containerUser
    }

    let folder: InstanceFolder
    let environment: InstanceEnvironment
    let spec: ModuleSpec
    let tokens: InstanceTokens

    /// What an instance shows the agent.
    static let tokenFile = "orch-token"
    /// What the agent shows the instance.
    static let agentTokenFile = "agent-token"

    func write(for reader: Reader) throws(OrchError) {
        // A user may read the files and pass through their folders, which stay ours: it could put a link where we write
        // next time.
        switch reader {
        case .agent: break
        case .user: for path in [folder.path, folder.configuration] { chmod(path, 0o711) }
        case .containerUser:
            chmod(folder.path, 0o700)
            chmod(folder.configuration, 0o755)
        }
        if spec.api != .none { try writeTokens(for: reader) }
        for file in spec.files {
            let path = "\(folder.configuration)/\(file.path)"
            guard let mode = mode_t(file.mode, radix: 8) else { continue }
            let bytes = try bytes(of: file)
            do throws(SystemError) {
                try Files.makeFolder(Files.parent(of: path))
                try Files.replace(path, with: bytes, mode: mode)
            } catch {
                throw OrchError(
                    .failed, "the configuration file \(file.path) cannot be written: \(error.reason)", cause: error)
            }
            open(path, mode, to: reader)
        }
    }

    private func writeTokens(for reader: Reader) throws(OrchError) {
        let own = [Self.tokenFile: tokens.token(of: folder.id), Self.agentTokenFile: tokens.agentToken(for: folder.id)]
        for (name, token) in own {
            let path = "\(folder.configuration)/\(name)"
            do throws(SystemError) { try Files.replace(path, with: token + "\n") } catch {
                throw OrchError(.failed, "the instance's token cannot be written: \(error.reason)", cause: error)
            }
            open(path, 0o400, to: reader)
        }
    }

    private func open(_ path: String, _ mode: mode_t, to reader: Reader) {
        var folderMode: mode_t = 0o711
        switch reader {
        case .agent:
            // The agent's own mask has narrowed the mode.
            chmod(path, mode)
            return
        case .user(let uid, let gid):
            chmod(path, mode)
            chown(path, uid, gid)
        case .containerUser:
            // Whoever may read it as its owner or group stands for the one user that the container has.
            chmod(path, mode | (mode >> 6 | mode >> 3) & 0o5)
            folderMode = 0o755
        }
        var inner = Files.parent(of: path)
        while inner.count > folder.configuration.count {
            chmod(inner, folderMode)
            inner = Files.parent(of: inner)
        }
    }

    private func bytes(of file: ConfigurationFile) throws(OrchError) -> [UInt8] {
        // What was read when it was deployed holds for as long as that version does.
        guard !file.source.isEmpty, file.content.isEmpty else { return Array(environment.expand(file.content).utf8) }
        let source = Files.resolve(file.source, in: spec.baseDirectory)
        do throws(SystemError) {
            // A secret may be any bytes, and a dollar sign in it means nothing.
            if file.secret { return try Files.read(source) }
            return Array(environment.expand(try Files.readText(source)).utf8)
        } catch {
            throw OrchError(.notFound, "the file \(source) of 'files' cannot be read: \(error.reason)", cause: error)
        }
    }
}
