import OrchModel

/// What can be deployed: modules that are known, and artifacts in all their versions.
struct RepositoryPage: Page {
    let title = "Repository"
    let menu = Menu.repository
    let pace: Duration? = .seconds(2)

    func parts(_ view: PageView) async throws -> [PagePart] {
        let (modules, artifacts) = (await view.plane.modules(), await view.plane.artifacts())
        let size = artifacts.reduce(0) { $0 + $1.size }
        return [
            view.part(
                "repository", "repository",
                [
                    "modules": modules.map {
                        [
                            "name": $0.name, "version": $0.version, "source": $0.source.rawValue,
                            "description": $0.description,
                        ] as Fields
                    },
                    "artifacts": artifacts.map { artifact in
                        [
                            "name": artifact.name, "version": artifact.version, "kind": artifact.kind.rawValue,
                            "size": ByteSize(bytes: artifact.size), "digest": artifact.digest.short,
                            "at": Wording.time(artifact.pushedAt), "description": artifact.description,
                            "download": artifact.download.percentEncoded, "inUse": artifact.isInUse,
                            "reference": "\(artifact.name):\(artifact.version)",
                            "canDeploy": artifact.kind == .bundle || artifact.kind == .image,
                        ] as Fields
                    },
                    "none": artifacts.isEmpty, "size": ByteSize(bytes: size),
                ])
        ]
    }
}
