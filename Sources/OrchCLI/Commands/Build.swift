import FoundationEssentials
import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let build = CommandSpec(
        name: "build", summary: "Have a container engine build an image for the agent's repository",
        discussion:
            "DIRECTORY holds a Dockerfile and what it needs; its module.yaml, where there is one, tells name and version. "
            + "NAME is one of the images that come with the product: base, deployer (the agent), scheduler, action-notification.",
        operands: [OperandSpec("DIRECTORY|NAME", optional: true, "What to build; by default this directory.")],
        options: [
            OptionSpec(
                "dockerfile", nil, .text, "PATH", "The Dockerfile, from the directory on; Dockerfile by default."),
            OptionSpec(
                "name", nil, .text, "NAME", "Name of the image; by default that of the module or the directory."),
            OptionSpec("version", "v", .text, "VERSION", "Its version; by default the module's, or latest."),
            OptionSpec("build-arg", nil, .text, "NAME=VALUE", repeats: true, "Value for an ARG of the Dockerfile."),
            OptionSpec(
                "runtime", nil, .choice(["docker", "podman", "auto"]), "ENGINE", "Which engine builds; auto by default."
            ),
            OptionSpec("force", "f", "Replace a version that is there."),
        ],
        examples: ["orch build ./shop --version 1.2", "orch build scheduler"]
    ) { invocation in
        let operand = invocation.operands.first ?? "."
        let client = try invocation.client()
        if let product = ProductImage(rawValue: operand), !ModuleOperand.isPath(operand) {
            return try await product.build(client, invocation)
        }
        guard let folder = Files.canonical(invocation.absolute(operand)), Files.isFolder(folder) else {
            throw OrchError(
                .notFound,
                "there is no directory \(operand.quotedOneLine); images of the product are \(ProductImage.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
        let file = try invocation.text("dockerfile") ?? "Dockerfile"
        guard Files.exists("\(folder)/\(file)") else {
            throw OrchError(.notFound, "\(operand) has no \(file): write one, or name it with --dockerfile")
        }
        let base = folder.split(separator: "/").last.map(String.init) ?? "image"
        var request = ImageBuild(
            content: try TreeContent(folder: folder), file: file,
            name: ArtifactName(fileName: base.lowercased()) ?? ArtifactName(unchecked: "image"), version: .latest)
        try request.take(invocation, moduleFile: try? Files.readText("\(folder)/module.yaml"))
        try ImageBuild.show(try await request.make(client, invocation), invocation.console)
        return 0
    }
}
