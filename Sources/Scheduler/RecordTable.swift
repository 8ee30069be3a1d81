import OrchModel

/// Schedules by their names. Each lies in a place of its own: a dictionary keeps room for twice as many as it holds, which
/// for records of half a kilobyte would be most of what a hundred thousand schedules take.
struct RecordTable: Sendable {
    private final class Place: Sendable {
        let record: ScheduleRecord

        init(_ record: ScheduleRecord) { self.record = record }
    }

    private var places: [ModuleName: Place] = [:]

    subscript(name: ModuleName) -> ScheduleRecord? {
        get { places[name]?.record }
        set { places[name] = newValue.map(Place.init) }
    }

    var count: Int { places.count }
    var names: some Collection<ModuleName> { places.keys }
    var values: some Collection<ScheduleRecord> { places.values.lazy.map(\.record) }
}
