import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    /// Images between the repository and engines, and clients that nobody of ours wrote.
    @Suite(.serialized) struct Registry {
        private static func address(_ agent: TestAgent) throws -> String {
            try Files.readText(AgentPaths.address(in: agent.data)).filter { !$0.isWhitespace }
                .replacing("http://", with: "")
        }

        private static func digest(_ agent: TestAgent, _ name: String) async throws -> Digest? {
            let all: [ArtifactView] = try await agent.orch("artifacts", "-o", "json").json()
            return all.first { "\($0.name):\($0.version)" == name }?.digest
        }

        @Test(.timeLimit(.minutes(3)))
        func `docker, skopeo and podman push and pull, and digests stay the same`() async throws {
            try await TestEngine.withEngine(agentOptions: ["--http-port", "0"]) { engine, agent in
                let address = try Self.address(agent)
                let token = try Files.readText(AgentPaths.token(in: agent.data)).filter { !$0.isWhitespace }
                try #require(try await engine.docker("tag", "box", "\(address)/team/box:1").status == 0)
                let stranger = try await engine.docker("push", "\(address)/team/box:1")
                #expect(stranger.status != 0)
                let login = try await engine.shell("echo \(token) | docker login -u me --password-stdin \(address)")
                #expect(login.status == 0, "\(login)")
                #expect(try await engine.shell("echo x | docker login -u me --password-stdin \(address)").status != 0)
                _ = try await engine.shell("echo \(token) | docker login -u me --password-stdin \(address)")

                let push = try await engine.docker("push", "\(address)/team/box:1")
                #expect(push.status == 0, "\(push)")
                let digest = try #require(try await Self.digest(agent, "team/box:1"))
                #expect(push.output.contains(digest.rawValue))
                #expect(try await engine.docker("push", "\(address)/team/box:1").output.contains("already exists"))
                try #require(try await engine.docker("rmi", "\(address)/team/box:1").status == 0)
                let pull = try await engine.docker("pull", "\(address)/team/box:1")
                #expect(pull.output.contains(digest.rawValue), "\(pull)")

                // Another image under the same tag is refused, and says why.
                try await engine.importImage("other", changes: ["LABEL x=y"])
                try #require(try await engine.docker("tag", "other", "\(address)/team/box:1").status == 0)
                let again = try await engine.docker("push", "\(address)/team/box:1")
                #expect(again.status != 0)
                #expect(again.errors.contains("a version stays what it is"), "\(again)")

                let credentials = "me:\(token)"
                let (source, target) = ("docker://\(address)/team/box:1", "docker://\(address)/copy:2")
                let folder = "oci:\(agent.folder)/oci:x"
                let out = try await agent.run(
                    ["skopeo", "copy", "--src-tls-verify=false", "--src-creds", credentials, source, folder])
                #expect(out.status == 0, "\(out)")
                let there = try await agent.run(
                    ["skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", credentials, folder, target])
                #expect(there.status == 0, "\(there)")
                let inspect = try await agent.run(
                    [
                        "skopeo", "inspect", "--format", "{{.Digest}}", "--tls-verify=false", "--creds", credentials,
                        target,
                    ])
                #expect(inspect.output == "\(try #require(try await Self.digest(agent, "copy:2")))\n")

                let podman = try await agent.run([
                    "env", "-u", "CONTAINER_HOST", "CONTAINERS_CONF=\(engine.folder)/containers.conf", "podman",
                    "--root", "\(agent.folder)/podman", "--runroot", "\(agent.folder)/podman.run", "pull",
                    "--tls-verify=false", "--creds", credentials, "\(address)/team/box:1",
                ])
                #expect(podman.status == 0, "\(podman)")
                let known = try await agent.run([
                    "env", "-u", "CONTAINER_HOST", "CONTAINERS_CONF=\(engine.folder)/containers.conf", "podman",
                    "--root", "\(agent.folder)/podman", "--runroot", "\(agent.folder)/podman.run", "inspect",
                    "--format", "{{.Digest}}", "\(address)/team/box:1",
                ])
                #expect(known.output == "\(digest)\n")
                _ = try await agent.run([
                    "sh", "-c", "grep -o '\(agent.folder)[^ ]*' /proc/mounts | xargs -r umount -l",
                ])
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `the registry's interface keeps to its specification`() async throws {
            try await TestAgent.withAgent { agent in
                func ask(_ method: String, _ path: String, _ options: String...) async throws -> String {
                    try await agent.run(
                        [
                            "curl", "-s", "-i", "-X", method, "--unix-socket", "\(agent.data)/orch.sock",
                            "http://agent/v2/\(path)",
                        ] + options
                    ).output.lowercased()
                }
                let empty = ContentHash.digest(of: [])
                #expect(try await ask("GET", "").hasPrefix("http/1.1 200"))
                let unknown = try await ask("GET", "a/b/blobs/\(empty)")
                #expect(unknown.hasPrefix("http/1.1 404") && unknown.contains("\"blob_unknown\""))
                #expect(try await ask("GET", "a/blobs/sha256:1").contains("\"digest_invalid\""))
                #expect(try await ask("GET", "-a/manifests/1").contains("\"name_invalid\""))
                #expect(try await ask("GET", "a/manifests/1").contains("\"manifest_unknown\""))
                #expect(try await ask("GET", "a/tags/list").contains("\"name_unknown\""))
                #expect(try await ask("PATCH", "a/blobs/uploads/none", "-d", "x").contains("\"blob_upload_unknown\""))
                #expect(try await ask("PUT", "a/manifests/1", "-d", "{}").contains("\"manifest_invalid\""))
                #expect(try await ask("DELETE", "a/blobs/\(empty)").hasPrefix("http/1.1 405"))

                // In pieces, one of them twice.
                let begun = try await ask("POST", "a/blobs/uploads/")
                #expect(begun.hasPrefix("http/1.1 202"))
                let begin = begun.split(separator: "\r\n").first { $0.hasPrefix("location: /v2/") }
                let place = String(try #require(begin).dropFirst("location: /v2/".count))
                let first = try await ask("PATCH", place, "-H", "Content-Range: 0-4", "-d", "01234")
                #expect(first.contains("range: 0-4"))
                #expect(
                    try await ask("PATCH", place, "-H", "Content-Range: 0-4", "-d", "01234").hasPrefix("http/1.1 416"))
                #expect(try await ask("GET", place).hasPrefix("http/1.1 204"))
                let wrong = try await ask("PUT", "\(place)?digest=\(empty)")
                #expect(wrong.hasPrefix("http/1.1 400") && wrong.contains("\"digest_invalid\""))
                #expect(Files.list("\(agent.data)/Repository/uploads").isEmpty)

                // At once, then a manifest that refers to it, and another that says something about that.
                let config = ContentHash.digest(of: Array("{}".utf8))
                let whole = try await ask("POST", "a/blobs/uploads/?digest=\(config)", "-d", "{}")
                #expect(whole.hasPrefix("http/1.1 201"))
                #expect(try await ask("POST", "b/blobs/uploads/?mount=\(config)&from=a").hasPrefix("http/1.1 201"))
                let descriptor = #"{"mediaType":"application/vnd.oci.empty.v1+json","digest":"\#(config)","size":2}"#
                let manifest = #"{"schemaVersion":2,"config":\#(descriptor),"layers":[\#(descriptor)]}"#
                let digest = ContentHash.digest(of: Array(manifest.utf8))
                for tag in ["one", "two", "three"] {
                    #expect(try await ask("PUT", "a/manifests/\(tag)", "-d", manifest).hasPrefix("http/1.1 201"))
                }
                let page = try await ask("GET", "a/tags/list?n=2")
                #expect(page.contains(#""tags":["one","three"]"#))
                #expect(page.contains("link: </v2/a/tags/list?n=2&last=three>; rel=\"next\""))
                #expect(try await ask("GET", "a/tags/list?n=2&last=three").contains(#""tags":["two"]"#))
                #expect(try await ask("GET", "_catalog").contains(#""repositories":["a"]"#))
                let signature =
                    #"{"schemaVersion":2,"artifactType":"x/y","config":\#(descriptor),"layers":[],"subject":{"mediaType":"m","digest":"\#(digest)","size":1}}"#
                let signed = ContentHash.digest(of: Array(signature.utf8))
                #expect(
                    try await ask("PUT", "a/manifests/\(signed)", "-d", signature).contains("oci-subject: \(digest)"))
                #expect(try await ask("GET", "a/referrers/\(digest)").contains(signed.rawValue))
                #expect(try await !ask("GET", "a/referrers/\(digest)?artifactType=z").contains(signed.rawValue))
                #expect(try await ask("PUT", "a/manifests/\(config)", "-d", manifest).hasPrefix("http/1.1 400"))
                #expect(try await ask("DELETE", "a/manifests/one").hasPrefix("http/1.1 202"))
                #expect(try await ask("DELETE", "a/manifests/\(digest)").hasPrefix("http/1.1 202"))
                #expect(try await ask("GET", "a/manifests/two").hasPrefix("http/1.1 404"))
            }
        }

        @Test(.timeLimit(.minutes(3)), arguments: TestEngine.Kind.allCases)
        func `an image is built, saved, pushed and run without any other registry`(kind: TestEngine.Kind) async throws {
            try await TestEngine.withEngine(kind) { engine, agent in
                let folder = "\(agent.folder)/web"
                try Files.makeFolder("\(folder)/files")
                try Files.replace("\(folder)/files/index.html", with: "built\n")
                try Files.replace(
                    "\(folder)/Dockerfile",
                    with: """
                        ARG BASE
                        FROM ${BASE}
                        COPY files /www
                        RUN echo from within
                        EXPOSE 8080
                        ENTRYPOINT ["httpd", "-f", "-p", "8080", "-h", "/www"]
                        """)
                let build = try await agent.orch(
                    "build", folder, "-v", "1", "--build-arg",
                    "BASE=\(kind == .podman ? "docker.io/library/box" : "box")",
                    "--runtime", kind.rawValue, timeout: .seconds(120))
                #expect(build.status == 0, "\(build)")
                #expect(build.errors.contains("from within"))
                #expect(build.output.hasPrefix("built web:1"))
                let twice = try await agent.orch("build", folder, "-v", "1", "--build-arg", "BASE=box")
                #expect(twice.status == 6)

                // Nobody but the repository has it.
                _ = try await engine.shell(
                    "docker images -q --filter 'reference=orch.local/*/*' | xargs -r docker rmi -f")
                let deploy = try await agent.orch("deploy", "web:1", "--runtime", kind.rawValue)
                #expect(deploy.status == 0, "\(deploy)")
                #expect(deploy.errors.contains("from the repository"))
                let address = try await agent.address("web")
                #expect(try await agent.run(["curl", "-sf", address]).output == "built\n")

                // What an engine saves is taken back, and is the same.
                let saved = try await engine.shell(
                    "docker save box -o box.tar && \(TestAgent.programs)/orch --data-dir \(agent.data) push box.tar --name box -v 2"
                )
                #expect(saved.status == 0, "\(saved)")
                #expect(try await agent.orch("pull", "box:2", "-f", "back.tar").status == 0)
                let loaded = try await engine.shell("docker load -i \(agent.folder)/back.tar")
                #expect(loaded.output.contains("box:2"), "\(loaded)")
                let module = try agent.module(
                    "own", "runtime: \(kind)\nimage: box:2\ncommand: [sleep, '1000']\nstop: {grace: 200ms}")
                #expect(try await agent.deploy(module).status == 0)
                let pinned = try await agent.orch("inspect", "own", "-o", "json")
                #expect(pinned.output.contains("box:2@sha256:"), "\(pinned)")
                #expect(try await agent.orch("rm", "--artifact", "box:2").status == 6)
                for name in ["own", "web"] { #expect(try await agent.orch("rm", name).status == 0) }
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a build that fails says why and leaves nothing`() async throws {
            try await TestEngine.withEngine { _, agent in
                let folder = "\(agent.folder)/bad"
                try Files.makeFolder(folder)
                try Files.replace("\(folder)/Dockerfile", with: "FROM box\nRUN echo oh no && false\n")
                let build = try await agent.orch("build", folder)
                #expect(build.status == 1)
                #expect(build.errors.contains("oh no"))
                #expect(build.errors.contains("cannot be built"), "\(build)")
                #expect(try await agent.orch("artifacts", "-o", "name").output.isEmpty)
                #expect(Files.list("\(agent.data)/Repository/uploads").isEmpty)
                #expect(try await agent.orch("build", "\(agent.folder)/nothing").status == 3)
                #expect(try await agent.orch("build", agent.folder).status == 3)
            }
        }
    }
}
