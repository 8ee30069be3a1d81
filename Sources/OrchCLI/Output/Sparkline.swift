/// Numbers as bars of a line of text.
enum Sparkline {
    private static let bars = Array("▁▂▃▄▅▆▇█")

    /// One character a number, as high as it is to the largest; a space for none.
    static func text(_ values: [Int]) -> String {
        let most = max(values.max() ?? 0, 1)
        return String(values.map { $0 == 0 ? " " : bars[min(bars.count - 1, ($0 * bars.count - 1) / most)] })
    }
}
