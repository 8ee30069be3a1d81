import Glibc
import OrchModel
import OrchSystem

/// A command that is run as an instance's own program is: with its variables, in its folder, as its user.
struct InstanceProgram {
    let environment: InstanceEnvironment
    let workdir: String
    private let user: SystemUser?

    /// - Parameter agent: variables that every instance gets.
    /// - Throws: `invalidRequest` when the user is not there.
    init(_ launch: InstanceLaunch, _ folder: InstanceFolder, agent: [String: String], door: String)
        throws(OrchError)
    {
        user = launch.spec.user.isEmpty ? nil : try SystemUser(named: launch.spec.user)
        environment = InstanceEnvironment(
            process: launch, ports: launch.ports, folder: folder, agent: agent, home: user?.home, door: door)
        workdir = Files.resolve(environment.expand(launch.spec.workdir), in: launch.spec.baseDirectory)
    }

    /// - Throws: `notFound` or `invalidRequest` when there is no such program.
    func command(_ words: [String], more variables: [String] = []) throws(OrchError) -> ProgramLaunch {
        var command = ProgramLaunch(
            program: try Programs.find(words[0], path: environment.variables["PATH"] ?? "", in: workdir),
            arguments: words, environment: environment.list + variables, workdir: workdir)
        command.user = geteuid() == 0 ? user : nil
        return command
    }
}
