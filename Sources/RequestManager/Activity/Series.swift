/// The last values of something that is measured at even steps. The oldest give way.
package struct Series: Sendable {
    let capacity: Int
    private var ring: [Float] = []
    private var oldest = 0

    init(capacity: Int) { self.capacity = capacity }

    mutating func add(_ value: Double) {
        if ring.count < capacity {
            ring.append(Float(value))
        } else {
            ring[oldest] = Float(value)
            oldest = (oldest + 1) % capacity
        }
    }

    /// The oldest first.
    package var values: [Double] { (ring[oldest...] + ring[..<oldest]).map(Double.init) }
    package var last: Double? { ring.isEmpty ? nil : Double(ring[(oldest + ring.count - 1) % ring.count]) }
}
