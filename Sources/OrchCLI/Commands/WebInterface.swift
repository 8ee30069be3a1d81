import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let webInterface = CommandSpec(
        name: "ui", summary: "Open the web interface: print an address that lets a browser in, once",
        discussion:
            "The agent serves it at a port of loopback, the one of --http-port or a free one that it keeps, under the name orch.localhost, which browsers take for this machine; the address works for ten minutes, and whoever has opened it stays signed in for thirty days, or until 'Sign out'. From another machine: 'ssh -L 7070:127.0.0.1:PORT HOST', and the address with 7070 instead of PORT.",
        options: [OptionSpec("open", nil, "Open it in the browser, too (xdg-open).")],
        examples: ["orch ui", "orch ui --open"]
    ) { invocation in
        let view: SignInView = try await invocation.client().call("POST", "/v1/sign-in")
        try invocation.console.show(view, name: view.address) { [view.address] }
        if try invocation.flag("open") { try open(view.address, invocation) }
        return 0
    }

    private static func open(_ address: String, _ invocation: Invocation) throws {
        let path = invocation.environment["PATH"] ?? "/usr/bin:/bin"
        let launch = ProgramLaunch(
            program: try Programs.find("xdg-open", path: path, in: invocation.directory),
            arguments: ["xdg-open", address],
            environment: invocation.environment.map { "\($0.key)=\($0.value)" }, workdir: "/")
        do throws(SystemError) {
            _ = try launch.run(timeout: .seconds(10))
        } catch {
            throw OrchError(
                .failed, "no browser can be opened (\(error.reason)): open the address yourself", cause: error)
        }
    }
}
