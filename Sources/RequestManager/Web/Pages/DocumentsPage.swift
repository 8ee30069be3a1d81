import OrchModel

/// The documents that the agent keeps for people and scripts.
struct DocumentsPage: Page {
    let address: PageAddress
    let title = "Documents"
    let menu = Menu.documents

    func parts(_ view: PageView) async throws -> [PagePart] {
        let documents = await view.plane.documents()
        let chosen = documents.first { $0.name == address["name"] } ?? documents.first
        return [
            view.part(
                "documents", "documents",
                Fields(present: [
                    "documents": documents.map {
                        [
                            "name": $0.name, "link": address.with(["name": $0.name]), "chosen": $0.name == chosen?.name,
                        ] as Fields
                    },
                    "name": chosen?.name, "text": chosen?.text, "link": chosen?.name.percentEncoded,
                ]))
        ]
    }
}
