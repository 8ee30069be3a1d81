import OrchModel

/// All instances: found by state, module or any word, sorted, and changed one by one.
struct InstancesPage: Page {
    let address: PageAddress
    let title = "Service instances"
    let menu = Menu.instances
    let still: Set<String> = ["search"]
    let showsFigures = true

    func parts(_ view: PageView) async throws -> [PagePart] {
        let all = await view.plane.instances()
        return [view.part("search", "instances-search", search(all)), table(all, view)]
    }

    func livingParts(_ view: PageView) async throws -> [PagePart] { [table(await view.plane.instances(), view)] }

    private func table(_ all: [InstanceView], _ view: PageView) -> PagePart {
        let choice = TableChoice(
            address: address,
            columns: [
                ("id", "Instance", false), ("state", "State", false), ("version", "Version", false),
                ("cpu", "Processor", true), ("memory", "Memory", true), ("restarts", "Restarts", true),
                ("since", "Since", false),
            ])
        let found = all.map { InstanceRow(view: $0, history: view.activity) }.filter { row in
            (address["state"] == nil || row.view.state.rawValue == address["state"])
                && (address["module"] == nil || row.view.module.rawValue == address["module"])
                && (choice.search.isEmpty || row.contains(choice.search))
        }
        let sorted = choice.sorted(found) { $0.key(of: $1) }
        let rows = choice.page(of: sorted).map { $0.fields(here: address.text) }
        return view.part(
            "instances", "instances",
            choice.fields(rows: found.count).merging([
                "rows": rows, "none": all.isEmpty, "found": !found.isEmpty, "isList": true,
            ]) { $1 })
    }

    private func search(_ all: [InstanceView]) -> Fields {
        func options(_ values: Set<String>, _ name: String) -> [Fields] {
            values.union(address[name].map { [$0] } ?? []).sorted().map {
                ["value": $0, "chosen": $0 == address[name]]
            }
        }
        return Fields(present: [
            "q": address["q"], "sort": address["sort"], "order": address["order"],
            "states": options(Set(InstanceState.allCases.map(\.rawValue)), "state"),
            "modules": options(Set(all.map(\.module.rawValue)), "module"),
        ])
    }
}
