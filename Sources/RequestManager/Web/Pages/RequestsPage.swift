import OrchModel

/// Who asked for what, when, and what came of it.
struct RequestsPage: Page {
    let title = "Requests"
    let menu = Menu.requests
    let pace: Duration? = .seconds(2)

    private static let shown = 200

    func parts(_ view: PageView) async throws -> [PagePart] {
        let requests = try await view.plane.requests(limit: Self.shown)
        return [
            view.part(
                "requests", "requests",
                [
                    "none": requests.isEmpty, "shown": requests.count,
                    "requests": requests.map { request in
                        Fields(present: [
                            "number": request.id, "at": Wording.time(request.at), "method": request.method,
                            "path": request.path, "from": request.from, "by": request.by,
                            "status": request.status == 0 ? nil : request.status, "bad": request.status >= 400,
                            "took": Wording.milliseconds(request.milliseconds / 1000),
                        ])
                    },
                ])
        ]
    }
}
