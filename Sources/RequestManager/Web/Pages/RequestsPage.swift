import OrchModel

/// Who asked for what, when, and what came of it.
struct RequestsPage: Page {
    let address: PageAddress
    let title = "Requests"
    let menu = Menu.requests
    let still: Set<String> = ["search"]
    let pace: Duration? = .seconds(2)

    private static let shown = 100

    func parts(_ view: PageView) async throws -> [PagePart] {
        let before = address["before"].flatMap { Int64($0) }
        let requests = try await view.plane.requests(with: address["q"] ?? "", before: before, limit: Self.shown)
        return [
            view.part("search", "requests-search", Fields(present: ["q": address["q"]])),
            view.part(
                "requests", "requests",
                Fields(present: [
                    "none": requests.isEmpty, "isFound": address["q"] != nil,
                    "newest": before == nil ? nil : address.with(["before": nil]),
                    "older": requests.count < Self.shown
                        ? nil : requests.last.map { address.with(["before": "\($0.id)"]) },
                    "requests": requests.map { request in
                        ["by": false, "status": false].merging(
                            Fields(present: [
                                "number": request.id, "at": Wording.time(request.at), "method": request.method,
                                "path": request.path, "from": request.from, "by": request.by,
                                "status": request.status == 0 ? nil : request.status, "bad": request.status >= 400,
                                "took": Wording.milliseconds(request.milliseconds / 1000),
                            ])
                        ) { $1 }
                    },
                ])),
        ]
    }
}
